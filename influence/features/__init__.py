"""A user's columns become one float32 matrix in which distances and penalties mean something.

Read in this order: `columns` (what a column may be, and what is refused), `scale` (how one number is scaled),
`shared` (which columns are scaled together), then one file a role: `numeric`, `categorical`, `timestamp`, `text`;
`plan` puts them side by side.
"""

from culpa.influence.features.columns import Columns, Role
from culpa.influence.features.plan import Features, fit_features

__all__ = ["Columns", "Features", "Role", "fit_features"]

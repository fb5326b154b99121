"""From out-of-sample probabilities to suspicion: which labels are contradicted, and how likely each is wrong.

`calibrate` turns each proxy's probabilities of the *given* label into probabilities of the *true* one, `noise` learns
how labels are confused and how far to trust that, `posterior` joins both into a row's suspicion, and `regression`
does it for numbers. `confident` is confident learning, the baseline.
"""

from culpa.influence.suspicion.calibrate import Calibration, calibrate
from culpa.influence.suspicion.noise import USUAL_ROWS, NoiseModel, batch_noise, fit_noise
from culpa.influence.suspicion.posterior import Suspicion, judge
from culpa.influence.suspicion.regression import Laws, batch_laws, judge_targets

__all__ = [
    "USUAL_ROWS",
    "Calibration",
    "Laws",
    "NoiseModel",
    "Suspicion",
    "batch_laws",
    "batch_noise",
    "calibrate",
    "fit_noise",
    "judge",
    "judge_targets",
]

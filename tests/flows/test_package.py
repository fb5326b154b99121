"""`culpa.flows.clean` is a flow, whoever imported what before."""

import subprocess
import sys

import pytest

ORDERS = [
    "from culpa.flows import clean",
    "from culpa.flows.clean import clean as it; from culpa.flows import clean; assert it is clean",
    "import culpa.flows; clean = culpa.flows.clean",
]


@pytest.mark.parametrize("imports", ORDERS)
def test_the_flow_is_found_under_the_name_of_its_file(imports: str) -> None:
    code = f"{imports}\nfrom prefect import Flow\nassert isinstance(clean, Flow) and clean.name == 'culpa-clean'"
    subprocess.run([sys.executable, "-c", code], check=True)

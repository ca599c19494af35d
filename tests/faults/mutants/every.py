"""All planted defects."""

from tests.faults.mutants.access import ACCESS
from tests.faults.mutants.jobs import JOBS
from tests.faults.mutants.media import MEDIA
from tests.faults.mutants.money import MONEY

MUTANTS = (*MONEY, *JOBS, *ACCESS, *MEDIA)

"""What any runner must do, asked of one whose photos are restored by other machines."""

import pytest

from tests.cluster_runner import ClusterService
from tests.test_jobs_conformance import *  # noqa: F403 - the tests themselves
from tests.test_jobs_conformance_faults import (  # noqa: F401
    test_a_file_of_the_user_in_the_results_folder_is_never_overwritten,
    test_a_report_that_cannot_be_written_pauses_the_job_until_it_can,
    test_a_stopped_server_goes_on_where_it_was,
)

# What is asked of the coordinator's own pool and its model.
for name in (
    "test_a_replaced_model_is_used_from_the_next_photo_on",
    "test_a_single_photo_with_another_strength_needs_no_network",
    "test_the_model_can_be_loaded_before_the_first_photo",
    "test_the_model_is_loaded_once_and_not_before_it_is_needed",
):
    del globals()[name]


@pytest.fixture
def make_service() -> type:
    return ClusterService

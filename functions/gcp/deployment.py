"""Where the functions run."""

# Offers the L4 GPUs of the runner, and Hosting can rewrite to it, so that everything stands in one region.
REGION = "us-east4"

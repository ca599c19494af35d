# Everything that a deployer can set.
project_id = "duologue-example"
region     = "us-east4"

# Two videos at a time, on GPUs whose quota the project has.
gpu_enabled          = true
gpu_max_instances    = 2
gpu_zonal_redundancy = true
runner_min_instances = 1

# The API Gateway alone may call the functions.
front_door  = "api_gateway"
web_origins = ["https://app.example.com"]

# As it was measured behind that gateway: sign-ins and new accounts are limited per network too.
trusted_hops = 2

alert_emails    = ["operations@example.com"]
billing_account = "012345-6789AB-CDEF01"
monthly_budget  = 500

github_repository = "example/duologue"
github_branch     = "main"

variable "alert_emails" {
  description = "The e-mail addresses that alerts and the budget's warnings go to."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s,;<>]+@[^@\\s,;<>]+\\.[^@\\s,;<>]+$", address))])
    error_message = "Every entry of alert_emails must be one e-mail address."
  }
}

variable "billing_account" {
  description = "The id of the billing account that pays for the project, for the budget. Empty: no budget is made."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.billing_account == "" || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account looks like 012345-6789AB-CDEF01; `gcloud billing accounts list` prints yours."
  }
}

variable "front_door" {
  description = "What clients call: Firebase Hosting, which rewrites paths to public functions, or an API Gateway, which routes by method and alone may call the functions. The functions must be deployed again after a change."
  type        = string
  default     = "hosting"
  nullable    = false

  validation {
    condition     = contains(["hosting", "api_gateway"], var.front_door)
    error_message = "front_door is hosting or api_gateway."
  }

  validation {
    condition     = var.front_door == "hosting" || contains(local.gateway_regions, var.region)
    error_message = "API Gateway has no gateways in ${var.region}. Of the regions with GPUs it has some in ${join(", ", local.gateway_regions)}."
  }
}

variable "github_branch" {
  description = "The branch of github_repository whose workflows may deploy."
  type        = string
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.github_branch)) && !startswith(var.github_branch, "refs/")
    error_message = "github_branch is the name of a branch, without refs/heads/."
  }
}

variable "github_repository" {
  description = "The GitHub repository, owner/name, whose workflows may deploy without a key. Empty: none may."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.github_repository == "" || can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?/[A-Za-z0-9._-]+$", var.github_repository)) && !can(regex("(/[.]{1,2}|[.]git)$", var.github_repository))
    error_message = "github_repository is written owner/name, as in its page's address, without .git."
  }
}

variable "gpu_enabled" {
  description = "Whether the runner has an L4 GPU. False while the project has no quota for one: everything else is there, and renders take place on the CPU, many times slower."
  type        = bool
  default     = true
  nullable    = false
}

variable "gpu_max_instances" {
  description = "How many videos are rendered at once, each on an instance of its own; no more than the project's GPU quota. Null: as many as queue.json says, which the local cloud reads too."
  type        = number
  default     = null

  validation {
    condition     = var.gpu_max_instances == null ? true : var.gpu_max_instances >= 1 && var.gpu_max_instances <= 200 && floor(var.gpu_max_instances) == var.gpu_max_instances
    error_message = "gpu_max_instances is a whole number from 1 to 200."
  }
}

variable "gpu_zonal_redundancy" {
  description = "Whether GPU capacity is reserved in a second zone, at about 1.5 times the GPU's price and with a quota of its own. A render that loses its machine is done again anyway."
  type        = bool
  default     = false
  nullable    = false
}

variable "monthly_budget" {
  description = "The month's budget in the billing account's currency. Nothing is switched off when it is spent: warnings go out at parts of it."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.monthly_budget >= 1 && var.monthly_budget <= 1000000 && floor(var.monthly_budget) == var.monthly_budget
    error_message = "monthly_budget is a whole number from 1 to 1000000."
  }
}

variable "project_id" {
  description = "The Google Cloud project, empty and with billing, that becomes the Firebase project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id)) && !startswith(var.project_id, "demo-")
    error_message = "project_id has 6 to 30 lower-case letters, digits and hyphens, and does not begin with demo-, by which the code knows a local cloud."
  }
}

variable "region" {
  description = "Where everything stands; it cannot be changed once the database exists. The functions take it from functions/gcp/deployment.py."
  type        = string
  default     = "us-east4"
  nullable    = false

  validation {
    condition     = contains(local.gpu_regions, var.region)
    error_message = "${var.region == "" ? "No region is named. Cloud Run offers L4 GPUs" : "Cloud Run offers no L4 GPU in ${var.region}. It does"} in ${join(", ", local.gpu_regions)}."
  }

  # Of a region that is refused above nothing more is said.
  validation {
    condition     = !contains(local.gpu_regions, var.region) || strcontains(file("${path.module}/../functions/gcp/deployment.py"), "REGION = \"${var.region}\"\n")
    error_message = "The functions stand elsewhere: change REGION in functions/gcp/deployment.py to ${var.region} first, and run `python3 -m local.routes`."
  }
}

variable "runner_image" {
  description = "The runner's image at the first apply only: afterwards deployments set it and Terraform leaves it alone. The default answers 200 on every path, so that it passes the probes of /ready and /live until the real image is built."
  type        = string
  default     = "us-docker.pkg.dev/cloudrun/container/hello"
  nullable    = false

  validation {
    condition     = can(regex("^\\S+$", var.runner_image))
    error_message = "runner_image is the name of an image."
  }
}

variable "runner_min_instances" {
  description = "How many instances of the runner stay up without work. Each one with a GPU costs as much as a month of rendering day and night; 0 makes the first video after a pause wait for a cold start."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.runner_min_instances >= 0 && var.runner_min_instances <= local.gpu_instances && floor(var.runner_min_instances) == var.runner_min_instances
    error_message = "runner_min_instances is a whole number from 0 to the number of instances at most."
  }
}

variable "trusted_hops" {
  description = "At which place from the right the platform puts the client's address into X-Forwarded-For, as docs/deploy.md (step 12) measures it. 0: not measured, and no limit per network. The functions must be deployed again after a change."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.trusted_hops >= 0 && var.trusted_hops <= 10 && floor(var.trusted_hops) == var.trusted_hops
    error_message = "trusted_hops is a whole number from 0 to 10."
  }
}

variable "web_origins" {
  description = "The exact origins of web apps that call the API and play its media from another site than Firebase Hosting's own."
  type        = list(string)
  default     = []
  nullable    = false

  # As browsers write an origin, without https's own port.
  validation {
    condition = alltrue([
      for origin in var.web_origins :
      can(regex("^https://[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?$", origin))
      && !endswith(origin, ":443") && try(tonumber(regex(":([0-9]+)$", origin)[0]), 0) <= 65535
    ])
    error_message = "Every entry of web_origins is an origin: https, a host, a port if it is not 443, no path and no slash at its end."
  }
}

locals {
  # Regions with L4 GPUs for Cloud Run services, without those that Google opens by invitation only (asia-south1 and,
  # in the newer copy of the page, us-central1). https://cloud.google.com/run/docs/configuring/services/gpu
  gpu_regions = ["asia-southeast1", "europe-west1", "europe-west4", "us-east4"]
  # https://cloud.google.com/api-gateway/docs/deployment-model
  gateway_regions = ["europe-west1", "us-east4"]

  # Hosting's own site is named after the project.
  hosting_origins = ["https://${var.project_id}.web.app", "https://${var.project_id}.firebaseapp.com"]
  web_origins     = distinct(concat(local.hosting_origins, var.web_origins))
}

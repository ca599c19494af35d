# The API Gateway, when it is the front door. terraform/api_gateway.json is made from the route table.
#
# The functions' invoker is then this service account, which the Firebase CLI grants when FRONT_DOOR in
# functions/.env.PROJECT says so. Hosting, the other door, is all in firebase.json.

locals {
  gateway_count  = var.front_door == "api_gateway" ? 1 : 0
  front_door_url = local.gateway_count == 1 ? "https://${google_api_gateway_gateway.gateway[0].default_hostname}" : local.hosting_origins[0]
  functions_base = "https://${var.region}-${var.project_id}.cloudfunctions.net"
  gateway_document = templatefile("${path.module}/api_gateway.json", {
    functions_base          = local.functions_base
    gateway_service_account = "gateway@${var.project_id}.iam.gserviceaccount.com"
  })
}

resource "google_api_gateway_api" "api" {
  provider = google-beta
  count    = local.gateway_count

  api_id     = "duologue"
  depends_on = [google_project_service.apis]
}

# A configuration never changes: a new document is a new one, which the gateway takes before the old one goes.
resource "google_api_gateway_api_config" "config" {
  provider = google-beta
  count    = local.gateway_count

  api                  = google_api_gateway_api.api[0].api_id
  api_config_id_prefix = "routes-"

  openapi_documents {
    document {
      path     = "api_gateway.json"
      contents = base64encode(local.gateway_document)
    }
  }

  gateway_config {
    backend_config {
      google_service_account = local.emails["gateway"]
    }
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_service_account.accounts]
}

resource "google_api_gateway_gateway" "gateway" {
  provider = google-beta
  count    = local.gateway_count

  gateway_id = "duologue"
  region     = var.region
  api_config = google_api_gateway_api_config.config[0].id
}

# What is kept of the logs. Paths of private media carry a signature that is good for a day (decision 4), so whoever
# reads the requests' logs could watch every video: such lines are not kept. Our own line of a request has no query.

locals {
  # The Cloud Run services of the functions that answer media paths; a test compares them with the route table.
  media_services = ["get-picture", "get-recording", "get-video"]

  log_exclusions = {
    media-operations = {
      description = "Requests of the media functions: their addresses hold signatures."
      filter      = "resource.type=\"cloud_run_revision\" AND log_id(\"run.googleapis.com/requests\") AND resource.labels.service_name=(${join(" OR ", formatlist("\"%s\"", local.media_services))})"
    }
    # Of Hosting (where its logs are linked), of the API Gateway, and of a function that a media path does not belong to.
    signed-addresses = {
      description = "Requests of any other service whose address, or the page that they came from, holds a signature."
      filter      = "httpRequest.requestUrl=~\"(?i)[?&](x-goog-)?signature=\" OR httpRequest.referer=~\"(?i)[?&](x-goog-)?signature=\""
    }
  }
}

resource "google_logging_project_exclusion" "exclusions" {
  for_each = local.log_exclusions

  name        = each.key
  description = each.value.description
  filter      = each.value.filter

  depends_on = [google_project_service.apis]
}

# The project's own bucket, which is there from the beginning. Log Analytics, for the queries of docs/observability.md,
# cannot be switched off again.
resource "google_logging_project_bucket_config" "default" {
  project          = var.project_id
  location         = "global"
  bucket_id        = "_Default"
  retention_days   = 30
  enable_analytics = true

  depends_on = [google_project_service.apis]
}

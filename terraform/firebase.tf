# The Firebase project, its web app, and how people sign in. The default Hosting site comes with the project.

resource "google_firebase_project" "project" {
  provider = google-beta

  depends_on = [google_project_service.apis]
}

# Its configuration holds the web API key with which `signup` and `login` call Identity Toolkit.
resource "google_firebase_web_app" "web" {
  provider = google-beta

  display_name = "Duologue"
  depends_on   = [google_firebase_project.project]
}

# A project has one, which is never deleted. One that exists already is taken over by
# `terraform -chdir=terraform import google_identity_platform_config.sign_in PROJECT`.
resource "google_identity_platform_config" "sign_in" {
  authorized_domains = distinct([for origin in local.web_origins : split(":", trimprefix(origin, "https://"))[0]])

  sign_in {
    allow_duplicate_emails = false

    email {
      enabled           = true
      password_required = true
    }
    # The API refuses guests (functions/accounts/id_tokens.py).
    anonymous {
      enabled = false
    }
  }

  depends_on = [google_firebase_project.project]
}

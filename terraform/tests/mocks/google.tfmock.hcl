# What the providers would read of the project.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}

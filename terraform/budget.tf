# Warnings at parts of the month's budget. Google stops nothing when it is spent; what can be spent is bounded by
# gpu_max_instances and by the functions' own limits. Whoever applies this needs a role on the billing account:
# roles/billing.costsManager.

resource "google_billing_budget" "month" {
  count = var.billing_account == "" ? 0 : 1

  billing_account = var.billing_account
  display_name    = "Duologue: ${var.project_id}"

  budget_filter {
    projects        = ["projects/${local.project_number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      units = tostring(var.monthly_budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  # The month as it will be if it goes on as it began.
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  # The billing account's administrators are told in any case.
  all_updates_rule {
    monitoring_notification_channels = slice(local.alert_channels, 0, min(5, length(local.alert_channels))) # five at most
    disable_default_iam_recipients   = false
    enable_project_level_recipients  = true
  }

  depends_on = [google_project_service.apis]
}

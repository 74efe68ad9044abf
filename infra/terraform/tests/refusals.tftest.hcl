mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "44444444-4444-4444-4444-444444444444"
  entra_client_id = "55555555-5555-5555-5555-555555555555"
  environment     = "test"
  package_version = "1.2.3"
  alert_email     = "on-call@force.example"
  monthly_budget  = 20000
  budget_start    = "2026-12-01"
}

# Bad input is refused with words before anything happens.

run "region_outside_the_uk" {
  command = plan
  variables {
    location = "westeurope"
  }
  expect_failures = [var.location]
}

run "secondary_outside_the_uk" {
  command = plan
  variables {
    secondary_location = "northeurope"
  }
  expect_failures = [var.secondary_location]
}

run "both_regions_the_same" {
  command = plan
  variables {
    secondary_location = "uksouth"
  }
  expect_failures = [var.secondary_location]
}

run "retention_of_0" {
  command = plan
  variables {
    retention_days = 0
  }
  expect_failures = [var.retention_days]
}

run "retention_of_half_a_day" {
  command = plan
  variables {
    retention_days = 31.5
  }
  expect_failures = [var.retention_days]
}

run "retention_longer_than_messages_live" {
  command = plan
  variables {
    retention_days = 500
  }
  expect_failures = [var.retention_days]
}

run "no_breaker" {
  command = plan
  variables {
    disposals_per_hour = 0
  }
  expect_failures = [var.disposals_per_hour]
}

run "erased_but_kept_for_months" {
  command = plan
  variables {
    soft_delete_days = 90
  }
  expect_failures = [var.soft_delete_days]
}

run "missing_tenant" {
  command = plan
  variables {
    tenant_id = ""
  }
  expect_failures = [var.tenant_id]
}

run "nobody_s_tenant" {
  command = plan
  variables {
    tenant_id = "00000000-0000-0000-0000-000000000000"
  }
  expect_failures = [var.tenant_id]
}

run "missing_app_registration" {
  command = plan
  variables {
    entra_client_id = ""
  }
  expect_failures = [var.entra_client_id]
}

run "wrong_plan" {
  command = plan
  variables {
    plan_sku = { web = "Y1", media = "EP1", keeper = "EP1" }
  }
  expect_failures = [var.plan_sku]
}

run "wrong_service_bus" {
  command = plan
  variables {
    servicebus_sku = "Basic"
  }
  expect_failures = [var.servicebus_sku]
}

run "public_service_bus_outside_dev" {
  command = plan
  variables {
    servicebus_sku = "Standard"
  }
  expect_failures = [var.servicebus_sku]
}

run "wrong_messaging_units" {
  command = plan
  variables {
    servicebus_units = 3
  }
  expect_failures = [var.servicebus_units]
}

run "replica_without_a_second_region" {
  command = plan
  variables {
    storage_replication = "LRS"
  }
  expect_failures = [var.storage_replication]
}

run "archive_on_a_zonal_account" {
  command = plan
  variables {
    archive_after_days = 365
  }
  expect_failures = [var.archive_after_days]
}

run "latest_is_no_version" {
  command = plan
  variables {
    package_version = "latest"
  }
  expect_failures = [var.package_version]
}

run "an_opening_for_everybody" {
  command = plan
  variables {
    deployer_ip_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.deployer_ip_ranges]
}

run "alerts_to_nobody" {
  command = plan
  variables {
    alert_email = ""
  }
  expect_failures = [var.alert_email]
}

run "no_budget" {
  command = plan
  variables {
    monthly_budget = 0
  }
  expect_failures = [var.monthly_budget]
}

run "unknown_environment" {
  command = plan
  variables {
    environment = "live"
  }
  expect_failures = [var.environment]
}

run "unknown_hosting" {
  command = plan
  variables {
    hosting = "aks"
  }
  expect_failures = [var.hosting]
}

run "long_name" {
  command = plan
  variables {
    workload = "bodywornvideo"
  }
  expect_failures = [var.workload]
}

run "small_network" {
  command = plan
  variables {
    address_space = "10.0.0.0/24"
  }
  expect_failures = [var.address_space]
}

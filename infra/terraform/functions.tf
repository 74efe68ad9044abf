locals {
  premium_zones = var.hosting == "premium" ? keys(local.zones) : ["media"]
  flex_zones    = setsubtract(keys(local.zones), local.premium_zones)
  app_ids = merge(
    { for zone, app in azurerm_linux_function_app.this : zone => app.id },
    { for zone, app in azurerm_function_app_flex_consumption.this : zone => app.id },
  )
}

# A plan for each zone: apps of one plan share machines, and the one that reads hostile files must not share with the one that deletes.
resource "azurerm_service_plan" "this" {
  for_each                     = local.zones
  name                         = local.names.plan[each.key]
  resource_group_name          = azurerm_resource_group.this.name
  location                     = var.location
  os_type                      = "Linux"
  sku_name                     = contains(local.premium_zones, each.key) ? var.plan_sku[each.key] : "FC1"
  maximum_elastic_worker_count = contains(local.premium_zones, each.key) ? var.instances_most[each.key] : null
  zone_balancing_enabled       = contains(local.premium_zones, each.key) && local.zonal && var.environment == "prod"
  worker_count                 = contains(local.premium_zones, each.key) && local.zonal && var.environment == "prod" ? 3 : null
  tags                         = local.tags
}

resource "azurerm_linux_function_app" "this" {
  for_each                                       = toset(local.premium_zones)
  name                                           = local.names.app[each.key]
  resource_group_name                            = azurerm_resource_group.this.name
  location                                       = var.location
  service_plan_id                                = azurerm_service_plan.this[each.key].id
  storage_account_name                           = azurerm_storage_account.host[each.key].name
  storage_uses_managed_identity                  = true
  key_vault_reference_identity_id                = azurerm_user_assigned_identity.this[each.key].id
  functions_extension_version                    = "~4"
  builtin_logging_enabled                        = false
  https_only                                     = true
  public_network_access_enabled                  = each.key == "web"
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  virtual_network_subnet_id                      = azurerm_subnet.zone[each.key].id
  vnet_image_pull_enabled                        = true
  client_certificate_enabled                     = false
  tags                                           = merge(local.tags, { azd-service-name = each.key, trust-zone = each.key })

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this[each.key].id]
  }

  site_config {
    minimum_tls_version                           = "1.2"
    scm_minimum_tls_version                       = "1.2"
    ftps_state                                    = "Disabled"
    http2_enabled                                 = true
    remote_debugging_enabled                      = false
    use_32_bit_worker                             = false
    vnet_route_all_enabled                        = true
    runtime_scale_monitoring_enabled              = true
    elastic_instance_minimum                      = 1
    app_scale_limit                               = var.instances_most[each.key]
    health_check_path                             = each.key == "web" ? "/api/health" : null
    health_check_eviction_time_in_min             = each.key == "web" ? 10 : null
    ip_restriction_default_action                 = each.key == "web" ? "Allow" : "Deny"
    scm_ip_restriction_default_action             = "Deny" # nothing is published that way
    application_insights_connection_string        = azurerm_application_insights.this.connection_string
    container_registry_use_managed_identity       = each.key == "media"
    container_registry_managed_identity_client_id = each.key == "media" ? azurerm_user_assigned_identity.this[each.key].client_id : null

    application_stack {
      use_custom_runtime = each.key == "media" ? null : true

      dynamic "docker" {
        for_each = each.key == "media" ? [1] : []
        content {
          registry_url = "https://${azurerm_container_registry.this.login_server}"
          image_name   = "bwv-media"
          image_tag    = var.package_version
        }
      }
    }

    # For Test/Run on `reprocess` in the Azure portal, by an administrator inside the force's network.
    dynamic "cors" {
      for_each = each.key == "keeper" ? [1] : []
      content {
        allowed_origins     = ["https://portal.azure.com"]
        support_credentials = false
      }
    }
  }

  # Sign-in for people. Without it the handler of web refuses to start (IDENTITY=platform).
  dynamic "auth_settings_v2" {
    for_each = each.key == "web" ? [1] : []
    content {
      auth_enabled           = true
      require_authentication = true
      require_https          = true
      unauthenticated_action = "RedirectToLoginPage"
      default_provider       = "azureactivedirectory"
      excluded_paths         = ["/api/health"]

      active_directory_v2 {
        client_id            = var.entra_client_id
        tenant_auth_endpoint = "https://login.microsoftonline.com/${var.tenant_id}/v2.0/"
        allowed_audiences    = [var.entra_client_id, "api://${var.entra_client_id}"]
      }

      login {
        token_store_enabled = false
      }
    }
  }

  # Packages are read from the blob with the app's identity: a content share would need a key.
  app_settings = merge(local.settings[each.key], each.key == "media" ? {
    WEBSITES_ENABLE_APP_SERVICE_STORAGE = "false"
    } : {
    WEBSITE_RUN_FROM_PACKAGE                     = "https://${local.names.packages}.blob.core.windows.net/${azurerm_storage_container.packages.name}/${var.package_version}.zip"
    WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID = azurerm_user_assigned_identity.this[each.key].id
  })

  depends_on = [azurerm_role_assignment.this]
}

# Flex Consumption, by hosting = flex. The provider still composes a storage connection string with an empty key beside the identity
# (its issue 29693), which AzureWebJobsStorage = "" overrides at the price of a difference in every plan.
resource "azurerm_function_app_flex_consumption" "this" {
  for_each                                       = local.flex_zones
  name                                           = local.names.app[each.key]
  resource_group_name                            = azurerm_resource_group.this.name
  location                                       = var.location
  service_plan_id                                = azurerm_service_plan.this[each.key].id
  runtime_name                                   = "custom"
  runtime_version                                = "1.0"
  storage_container_type                         = "blobContainer"
  storage_container_endpoint                     = "https://${local.names.packages}.blob.core.windows.net/${azurerm_storage_container.packages.name}"
  storage_authentication_type                    = "UserAssignedIdentity"
  storage_user_assigned_identity_id              = azurerm_user_assigned_identity.this[each.key].id
  instance_memory_in_mb                          = 2048
  maximum_instance_count                         = max(40, var.instances_most[each.key])
  https_only                                     = true
  public_network_access_enabled                  = each.key == "web"
  webdeploy_publish_basic_authentication_enabled = false
  virtual_network_subnet_id                      = azurerm_subnet.zone[each.key].id
  tags                                           = merge(local.tags, { azd-service-name = each.key, trust-zone = each.key })

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this[each.key].id]
  }

  site_config {
    minimum_tls_version                    = "1.2"
    scm_minimum_tls_version                = "1.2"
    http2_enabled                          = true
    vnet_route_all_enabled                 = true
    health_check_path                      = each.key == "web" ? "/api/health" : null
    health_check_eviction_time_in_min      = each.key == "web" ? 10 : null
    application_insights_connection_string = azurerm_application_insights.this.connection_string

    dynamic "cors" {
      for_each = each.key == "keeper" ? [1] : []
      content {
        allowed_origins     = ["https://portal.azure.com"]
        support_credentials = false
      }
    }
  }

  dynamic "auth_settings_v2" {
    for_each = each.key == "web" ? [1] : []
    content {
      auth_enabled           = true
      require_authentication = true
      require_https          = true
      unauthenticated_action = "RedirectToLoginPage"
      default_provider       = "azureactivedirectory"
      excluded_paths         = ["/api/health"]

      active_directory_v2 {
        client_id            = var.entra_client_id
        tenant_auth_endpoint = "https://login.microsoftonline.com/${var.tenant_id}/v2.0/"
        allowed_audiences    = [var.entra_client_id, "api://${var.entra_client_id}"]
      }

      login {
        token_store_enabled = false
      }
    }
  }

  app_settings = merge(
    { for name, value in local.settings[each.key] : name => value if name != "FUNCTIONS_WORKER_RUNTIME" }, # follows from runtime_name
    { AzureWebJobsStorage = "", AzureWebJobsStorage__accountName = azurerm_storage_account.host[each.key].name },
  )

  depends_on = [azurerm_role_assignment.this]
}

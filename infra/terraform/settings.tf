locals {
  # The handler's settings: every name here is one of cmd/handler's Config, and a Go test holds that in both directions.
  handler_settings = {
    SB__fullyQualifiedNamespace = "${local.names.servicebus}.servicebus.windows.net"
    FOOTAGE__blobServiceUri     = "https://${local.names.evidence}.blob.core.windows.net"
    COSMOS__accountEndpoint     = azurerm_cosmosdb_account.this.endpoint
    COSMOS_DATABASE             = local.cosmos.database
    COSMOS_CONTAINER            = local.cosmos.containers[0].name
    RETENTION_KEEP              = "${var.retention_days}d"
    RETENTION_PAUSED            = tostring(var.disposal_paused)
    RETENTION_PER_HOUR          = tostring(var.disposals_per_hour)
    LOG_LEVEL                   = "info"
  }

  # What only one zone is told.
  zone_settings = {
    web    = { IDENTITY = "platform" }
    media  = { FFMPEG = "ffmpeg", FFPROBE = "ffprobe" }
    keeper = {}
  }

  # What the Functions host reads; SB__* are its triggers' connection, by the same identity.
  host_settings = {
    FUNCTIONS_WORKER_RUNTIME = "custom"
    RECONCILE_SCHEDULE       = "0 5 * * * *" # %RECONCILE_SCHEDULE% of reconcile's timer: hourly
    SB__credential           = "managedidentity"

    AzureWebJobsStorage__credential = "managedidentity"
    WEBSITE_HTTPLOGGING_ENABLED     = "0" # diagnostic settings do that

    # Alerts hang on log lines: none may be sampled away.
    AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__isEnabled = "false"
  }

  functions = flatten(values(local.zones))

  settings = { for zone, mine in local.zones : zone => merge(
    local.handler_settings,
    local.zone_settings[zone],
    local.host_settings,
    { for name in local.functions : "AzureWebJobs.${name}.Disabled" => "true" if !contains(mine, name) },
    {
      AZURE_CLIENT_ID                           = azurerm_user_assigned_identity.this[zone].client_id
      SB__clientId                              = azurerm_user_assigned_identity.this[zone].client_id
      AzureWebJobsStorage__clientId             = azurerm_user_assigned_identity.this[zone].client_id
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "Authorization=AAD;ClientId=${azurerm_user_assigned_identity.this[zone].client_id}"
    },
  ) }
}

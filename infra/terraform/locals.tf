locals {
  # The declarations that the machine-local stack and the Go tests read, too.
  servicebus = jsondecode(file("${path.module}/../servicebus.json")).UserConfig.Namespaces[0]
  cosmos     = jsondecode(file("${path.module}/../cosmos.json"))
  storage    = jsondecode(file("${path.module}/../storage.json"))
  zones      = jsondecode(file("${path.module}/../functions.json")).zones
  roles      = jsondecode(file("${path.module}/../roles.json"))
  alerts     = jsondecode(file("${path.module}/../alerts.json"))
  azure      = jsondecode(file("${path.module}/../azure.json"))

  zonal       = local.azure.regions[var.location].zones
  replication = coalesce(var.storage_replication, local.zonal ? "GZRS" : "GRS")
  suffix      = "${var.workload}-${var.environment}-${local.azure.regions[var.location].short}"
  compact     = "${var.workload}${var.environment}${local.azure.regions[var.location].short}"
  premium_bus = var.servicebus_sku == "Premium"

  # Cloud Adoption Framework abbreviations.
  names = {
    resource_group = "rg-${local.suffix}"
    evidence       = "st${local.compact}ev"
    packages       = "st${local.compact}pk"
    host           = { for zone in keys(local.zones) : zone => "st${local.compact}${substr(zone, 0, 1)}h" }
    identity       = { for name in keys(local.roles.identities) : name => "id-${local.suffix}-${name}" }
    app            = { for zone in keys(local.zones) : zone => "func-${local.suffix}-${zone}" }
    plan           = { for zone in keys(local.zones) : zone => "asp-${local.suffix}-${zone}" }
    servicebus     = "sbns-${local.suffix}"
    cosmos         = "cosmos-${local.suffix}"
    system_topic   = "egst-${local.suffix}"
    logs           = "log-${local.suffix}"
    insights       = "appi-${local.suffix}"
    vault          = "kv-${local.suffix}"
    network        = "vnet-${local.suffix}"
    registry       = "cr${local.compact}"
    on_call        = "ag-${local.suffix}"
  }

  tags = merge({
    workload       = var.workload
    environment    = var.environment
    data-residency = "uk"
    classification = "official-sensitive"
    managed-by     = "terraform"
  }, var.tags)

  portal_url = "https://${local.names.app.web}.azurewebsites.net"

  queues        = { for q in local.servicebus.Queues : q.Name => q.Properties }
  topics        = { for t in local.servicebus.Topics : t.Name => t.Properties }
  subscriptions = merge([for t in local.servicebus.Topics : { for s in t.Subscriptions : "${t.Name}/${s.Name}" => merge(s.Properties, { topic = t.Name, name = s.Name }) }]...)
  rules = merge(flatten([for t in local.servicebus.Topics : [for s in t.Subscriptions : {
    for r in s.Rules : "${t.Name}/${s.Name}/${r.Name}" => { subscription = "${t.Name}/${s.Name}", name = r.Name, filter = r.Properties.FilterType, label = r.Properties.CorrelationFilter.Label }
  }]])...)

  # Write-once for one day less than the retention: nobody can destroy a recording early, and nothing stands in the way once it is due.
  originals_worm_days = var.retention_days - 1
  containers          = toset(concat(local.storage.containers, keys(local.azure.containers)))
}

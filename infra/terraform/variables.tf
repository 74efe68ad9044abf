variable "subscription_id" {
  description = "Azure subscription that holds the system."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id must be a lower-case GUID."
  }
}

variable "tenant_id" {
  description = "Entra tenant whose people sign in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.tenant_id)) && var.tenant_id != "00000000-0000-0000-0000-000000000000"
    error_message = "tenant_id must be the lower-case GUID of the force's Entra tenant; without it anybody could sign in."
  }
}

variable "entra_client_id" {
  description = "Application (client) id of the portal's app registration."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.entra_client_id))
    error_message = "entra_client_id must be a lower-case GUID: register the portal first (infra/README.md)."
  }
}

variable "environment" {
  description = "dev, test or prod."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "test", "prod"], var.environment)
    error_message = "environment must be dev, test or prod."
  }
}

variable "workload" {
  description = "Short name in every resource's name; 2-6 lower-case letters and digits. Storage names are global: choose one's own."
  type        = string
  default     = "bwv"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,5}$", var.workload))
    error_message = "workload must be 2 to 6 lower-case letters and digits, beginning with a letter."
  }
}

variable "location" {
  description = "Primary region: uksouth, or ukwest, which has no availability zones."
  type        = string
  default     = "uksouth"
  nullable    = false

  validation {
    condition     = contains(["uksouth", "ukwest"], var.location)
    error_message = "Footage stays in the United Kingdom: location must be uksouth or ukwest."
  }
}

variable "secondary_location" {
  description = "The other UK region, for the ledger's second copy."
  type        = string
  default     = "ukwest"
  nullable    = false

  validation {
    condition     = contains(["uksouth", "ukwest"], var.secondary_location) && var.secondary_location != var.location
    error_message = "secondary_location must be the other UK region (uksouth or ukwest)."
  }
}

variable "hosting" {
  description = "Where web and keeper run: premium (Elastic Premium, the default) or flex (Flex Consumption). media is always a container on Elastic Premium."
  type        = string
  default     = "premium"
  nullable    = false

  validation {
    condition     = contains(["premium", "flex"], var.hosting)
    error_message = "hosting must be premium or flex."
  }
}

variable "plan_sku" {
  description = "Elastic Premium size of each zone."
  type        = object({ web = string, media = string, keeper = string })
  default     = { web = "EP1", media = "EP2", keeper = "EP1" }
  nullable    = false

  validation {
    condition     = alltrue([for sku in values(var.plan_sku) : contains(["EP1", "EP2", "EP3"], sku)])
    error_message = "plan_sku must be EP1, EP2 or EP3 for each zone: smaller plans stop invocations after minutes."
  }
}

variable "instances_most" {
  description = "Instances at most of each zone."
  type        = object({ web = number, media = number, keeper = number })
  default     = { web = 10, media = 20, keeper = 5 }
  nullable    = false

  validation {
    condition     = alltrue([for n in values(var.instances_most) : n >= 1 && n <= 100 && floor(n) == n])
    error_message = "instances_most must be whole numbers from 1 to 100."
  }
}

variable "package_version" {
  description = "Which package and image run: the name under which scripts/deploy published them."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z][0-9A-Za-z._-]{2,63}$", var.package_version)) && var.package_version != "latest"
    error_message = "package_version must name one version (letters, digits, '.', '_', '-'), never latest: rolling back needs a name."
  }
}

variable "retention_days" {
  description = "Days that unflagged recordings are kept."
  type        = number
  default     = 31
  nullable    = false

  validation {
    condition     = var.retention_days >= 7 && var.retention_days <= 365 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number from 7 to 365: the handler refuses less than 7 on Azure, and 0 would mean at once."
  }
}

variable "disposals_per_hour" {
  description = "Disposals an hour above which the breaker stops them all until an administrator releases it."
  type        = number
  default     = 10000
  nullable    = false

  validation {
    condition     = var.disposals_per_hour >= 1 && floor(var.disposals_per_hour) == var.disposals_per_hour
    error_message = "disposals_per_hour must be a whole number above 0: a system without the breaker can lose everything in a night."
  }
}

variable "disposal_paused" {
  description = "The kill switch: true stops every disposal."
  type        = bool
  default     = false
  nullable    = false
}

variable "soft_delete_days" {
  description = "Days in which a deleted recording can be brought back; also how much longer than retention_days it exists (docs/adr/0011)."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 1 && var.soft_delete_days <= 14 && floor(var.soft_delete_days) == var.soft_delete_days
    error_message = "soft_delete_days must be 1 to 14: beyond that, deleted footage would be kept for weeks by nobody's decision."
  }
}

variable "immutability_locked" {
  description = "Lock the write-once policies. Cannot be undone."
  type        = bool
  default     = false
  nullable    = false
}

variable "storage_replication" {
  description = "GZRS (default; zones in uksouth, a copy in ukwest) or GRS (needed for the archive tier, and in ukwest)."
  type        = string
  default     = null

  validation {
    condition     = var.storage_replication == null ? true : contains(["GZRS", "GRS"], var.storage_replication)
    error_message = "storage_replication must be GZRS or GRS: both copies are then in the United Kingdom."
  }

  validation {
    condition     = !(var.storage_replication == "GZRS" && var.location == "ukwest")
    error_message = "ukwest has no availability zones: storage_replication must be GRS there."
  }
}

variable "archive_after_days" {
  description = "Days after which kept originals go to the archive tier; 0 keeps them in cold. Needs storage_replication = GRS."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.archive_after_days == 0 || (var.archive_after_days >= 180 && coalesce(var.storage_replication, var.location == "ukwest" ? "GRS" : "GZRS") == "GRS")
    error_message = "archive_after_days must be 0, or at least 180 with storage_replication = GRS: Azure has no archive tier on zone-redundant accounts."
  }
}

variable "servicebus_sku" {
  description = "Premium, or Standard with partitioned entities. Standard has no private endpoint: for dev only."
  type        = string
  default     = "Premium"
  nullable    = false

  validation {
    condition     = contains(["Premium", "Standard"], var.servicebus_sku)
    error_message = "servicebus_sku must be Premium or Standard: Basic has no topics."
  }

  validation {
    condition     = var.servicebus_sku == "Premium" || var.environment == "dev"
    error_message = "servicebus_sku = Standard has a public endpoint: it is accepted in dev only."
  }
}

variable "servicebus_units" {
  description = "Messaging units of Service Bus Premium."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 8, 16], var.servicebus_units)
    error_message = "servicebus_units must be 1, 2, 4, 8 or 16."
  }
}

variable "ledger_throughput" {
  description = "Autoscale maximum of the ledger, in request units a second."
  type        = number
  default     = 10000
  nullable    = false

  validation {
    condition     = var.ledger_throughput >= 1000 && var.ledger_throughput % 1000 == 0
    error_message = "ledger_throughput must be a multiple of 1000, from 1000."
  }
}

variable "customer_managed_key" {
  description = "Encrypt footage, ledger and messages with the force's own key in Key Vault."
  type        = bool
  default     = false
  nullable    = false
}

variable "address_space" {
  description = "CIDR of the virtual network, a /22 or larger; it must not overlap with the force's network."
  type        = string
  default     = "10.60.0.0/22"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.address_space, 0)) && try(tonumber(split("/", var.address_space)[1]) <= 22, false)
    error_message = "address_space must be an IPv4 CIDR of /22 or larger."
  }
}

variable "hub_network_id" {
  description = "Virtual network of the force's hub, from which docks and officers come; null leaves peering to the network team."
  type        = string
  default     = null

  validation {
    condition     = var.hub_network_id == null ? true : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+$", var.hub_network_id))
    error_message = "hub_network_id must be the resource id of a virtual network."
  }
}

variable "deployer_ip_ranges" {
  description = "Addresses from which packages, image and key may be published while deploying from outside; empty closes it. The evidence account is never opened."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for r in var.deployer_ip_ranges : can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+(/(2[4-9]|30))?$", r))])
    error_message = "deployer_ip_ranges must be IPv4 addresses or ranges of /24 or smaller."
  }
}

variable "uploader_principals" {
  description = "Object ids of the docks' service principals or groups, by name: they may add recordings to footage."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "alert_email" {
  description = "Mailbox of whoever is on call."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.alert_email))
    error_message = "alert_email must be a mail address: an alert that reaches nobody is none."
  }
}

variable "monthly_budget" {
  description = "Budget a month, in the subscription's currency; see cmd/cost."
  type        = number
  nullable    = false

  validation {
    condition     = var.monthly_budget > 0
    error_message = "monthly_budget must be above 0."
  }
}

variable "budget_start" {
  description = "First month of the budget, e.g. 2026-12-01."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^20[0-9]{2}-(0[1-9]|1[0-2])-01$", var.budget_start))
    error_message = "budget_start must be the first day of a month, e.g. 2026-12-01."
  }
}

variable "tags" {
  description = "Further tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

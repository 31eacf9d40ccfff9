variable "name" {
  description = "What the names of all resources begin with: lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 24
    error_message = "The name has 3 to 24 lower-case letters and digits with single hyphens between them, and begins with a letter: a bucket and a repository take no other."
  }
}

variable "customer_managed_key" {
  description = "Whether tables, bucket, queues, secrets, images and logs are encrypted with a KMS key of this deployment, billed by the month, in place of keys that AWS owns."
  type        = bool
  default     = true
}

variable "key_deletion_days" {
  description = "For how many days the KMS key can still be saved after it was destroyed: 7 to 30."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_days >= 7 && var.key_deletion_days <= 30
    error_message = "A KMS key can be saved for 7 to 30 days."
  }
}

variable "delete_data" {
  description = "Whether `destroy` may take the data along: tables without deletion protection, a bucket that is emptied."
  type        = bool
  default     = false
}

variable "recovery_days" {
  description = "To how many days back a table can be restored, at any second: 1 to 35, or 0 for no backups."
  type        = number
  default     = 35

  validation {
    condition     = var.recovery_days >= 0 && var.recovery_days <= 35
    error_message = "Point-in-time recovery keeps 1 to 35 days; 0 switches it off."
  }
}

variable "seats_days" {
  description = "After how many days what runners put beneath `seats/` is removed, such as checkpoints; longer than jobs run and are kept."
  type        = number
  default     = 45

  validation {
    condition     = var.seats_days >= 1
    error_message = "The days are 1 or more."
  }
}

variable "replaced_days" {
  description = "For how many days objects of the bucket that were replaced or deleted can still be had."
  type        = number
  default     = 7

  validation {
    condition     = var.replaced_days >= 1
    error_message = "The days are 1 or more."
  }
}

variable "tags" {
  description = "Tags of all resources, besides those of the provider."
  type        = map(string)
  default     = {}
}

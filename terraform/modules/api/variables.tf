variable "name" {
  description = "What the names of all resources begin with."
  type        = string
}

variable "package" {
  description = "The file of the functions: a zip with the one program `bootstrap`."
  type        = string

  validation {
    condition     = endswith(var.package, ".zip")
    error_message = "The package is a zip file."
  }
}

variable "architecture" {
  description = "The processors that `bootstrap` was built for: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "memory" {
  description = "Memory of each function in MB, with which its share of a processor grows: 128 to 10240."
  type        = number
  default     = 128

  validation {
    condition     = var.memory >= 128 && var.memory <= 10240
    error_message = "Lambda has 128 to 10240 MB."
  }
}

variable "reserved_concurrency" {
  description = "How many of the account's concurrent executions are kept for, and are the limit of, each function; -1 for none, as a new account has too few to keep any."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 2
    error_message = "It is -1, or 2 and more: the queue alone asks for two."
  }
}

variable "records_table" {
  description = "The table of jobs, as the module `records` says."
  type = object({
    name        = string
    arn         = string
    stream_arn  = string
    index_arns  = list(string)
    stream_arns = string
  })
}

variable "memory_table" {
  description = "The table of memory, as the module `records` says."
  type = object({
    name = string
    arn  = string
  })
}

variable "bucket" {
  description = "The bucket of artifacts, as the module `records` says."
  type = object({
    name = string
    arn  = string
  })
}

variable "key_arn" {
  description = "The KMS key that encrypts queues, secrets and logs; AWS's own keys when absent."
  type        = string
  default     = null
}

variable "cluster" {
  description = "Where tasks run, as the module `runner` says."
  type = object({
    name = string
    arn  = string
  })
}

variable "task_definition" {
  description = "What tasks are made of, as the module `runner` says."
  type = object({
    family   = string
    revision = string
  })
}

variable "task_role_arns" {
  description = "The roles that are passed to tasks, and the only ones that may be."
  type        = list(string)

  validation {
    condition     = length(var.task_role_arns) == 2
    error_message = "A task has two roles: its own, and that of its start."
  }
}

variable "log_group" {
  description = "Where runners print to, as the module `runner` says."
  type = object({
    name = string
    arn  = string
  })
}

variable "subnet_ids" {
  description = "Where tasks run: subnets of one network."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "A task needs a subnet."
  }
}

variable "security_group_ids" {
  description = "Security groups of tasks; they need a way out at port 443 and no way in."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) >= 1
    error_message = "A task needs a security group."
  }
}

variable "public_address" {
  description = "Whether tasks have a public address: where the subnets have no other way out."
  type        = bool
}

variable "ip_address_type" {
  description = "Under which addresses the API answers: `ipv4`, or `dualstack` for both."
  type        = string
  default     = "ipv4"

  validation {
    condition     = contains(["ipv4", "dualstack"], var.ip_address_type)
    error_message = "It is ipv4 or dualstack."
  }
}

variable "exec" {
  description = "Whether people may enter running tasks with ECS Exec."
  type        = bool
  default     = false
}

variable "capacity" {
  description = "The capacity of a job that names none: `on-demand`, `spot` or `spot-with-fallback`."
  type        = string
  default     = "on-demand"

  validation {
    condition     = contains(["on-demand", "spot", "spot-with-fallback"], var.capacity)
    error_message = "The capacity is on-demand, spot or spot-with-fallback."
  }
}

variable "rate" {
  description = "How many requests the API takes each second, and how many at once; what is beyond is answered with 429."
  type = object({
    per_second = number
    at_once    = number
  })
  default = { per_second = 50, at_once = 100 }

  validation {
    condition     = var.rate.per_second >= 1 && var.rate.at_once >= 1
    error_message = "Both are 1 or more."
  }
}

variable "wakes_at_once" {
  description = "How many wakes are worked on at once, ten each: 2 to 1000."
  type        = number
  default     = 2

  validation {
    condition     = var.wakes_at_once >= 2 && var.wakes_at_once <= 1000
    error_message = "Lambda takes 2 to 1000."
  }
}

variable "tries" {
  description = "How often a change of a job, or a wake, is tried before it is laid aside and an alarm tells of it."
  type        = number
  default     = 5

  validation {
    condition     = var.tries >= 1 && var.tries <= 100
    error_message = "It is tried 1 to 100 times."
  }
}

variable "log_days" {
  description = "For how many days CloudWatch keeps the functions' logs, one of the numbers that it knows."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "alarm_actions" {
  description = "What an alarm sets off, such as the ARN of an SNS topic; alarms without any show in the console alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_actions : can(regex("^arn:", arn))])
    error_message = "Alarm actions are ARNs."
  }
}

variable "delete_data" {
  description = "Whether `destroy` removes the secrets at once, in place of after a week."
  type        = bool
  default     = false
}

variable "permissions_boundary" {
  description = "The ARN of a policy that bounds the roles of this module, where the account asks for one."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all resources, besides those of the provider."
  type        = map(string)
  default     = {}
}

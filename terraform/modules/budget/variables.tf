variable "name" {
  description = "What the budget is called; it counts what has the tag `Deployment` with this value."
  type        = string
}

variable "monthly_usd" {
  description = "How many US dollars this deployment may cost in a month."
  type        = number

  validation {
    condition     = var.monthly_usd > 0
    error_message = "The budget is more than 0 US dollars."
  }
}

variable "emails" {
  description = "Who is told, by mail: 1 to 10 addresses."
  type        = list(string)

  validation {
    condition     = length(var.emails) >= 1 && length(var.emails) <= 10 && alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "A budget tells 1 to 10 mail addresses."
  }
}

variable "percents" {
  description = "At how many hundredths of the budget people are told, once spent."
  type        = list(number)
  default     = [50, 80, 100]

  validation {
    condition     = length(var.percents) <= 4 && alltrue([for percent in var.percents : percent > 0])
    error_message = "There are 4 of them at most, each above 0."
  }
}

variable "tags" {
  description = "Tags of all resources, besides those of the provider."
  type        = map(string)
  default     = {}
}

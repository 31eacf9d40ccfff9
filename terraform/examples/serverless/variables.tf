variable "region" {
  description = "The region of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is named like eu-central-1."
  }
}

variable "name" {
  description = "What the names of all resources begin with; two deployments in one account have different names."
  type        = string
  default     = "sandbox"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 24
    error_message = "The name has 3 to 24 lower-case letters and digits with single hyphens between them, and begins with a letter: a bucket and a repository take no other."
  }
}

variable "package" {
  description = "The file of the functions: a zip with the one program `bootstrap`."
  type        = string
  default     = "bootstrap.zip"

  validation {
    condition     = endswith(var.package, ".zip") && fileexists(var.package)
    error_message = "There is no such zip file."
  }
}

variable "package_architecture" {
  description = "The processors that `bootstrap` was built for: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"
}

variable "image_tag" {
  description = "The tag of the runner's image in the deployment's repository."
  type        = string
  default     = "0.1.0"
}

variable "image_architecture" {
  description = "The processors that the runner's image was built for: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"
}

variable "runner_secrets" {
  description = "Secrets of Secrets Manager that runners are given, each by the name of its variable: { ANTHROPIC_API_KEY = \"arn:…\" }."
  type        = map(string)
  default     = {}
}

variable "runner_environment" {
  description = "Variables that all runners are given. What is secret belongs into `runner_secrets`."
  type        = map(string)
  default     = {}
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
}

variable "network" {
  description = "A network that is there already: subnets of one VPC with a way out at port 443, and security groups; a network is made when absent."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
    public_address     = bool
  })
  default = null
}

variable "way_out" {
  description = "How tasks of the network that is made reach the world: `address`, `ipv6` or `nat`; docs/aws.md has what each costs."
  type        = string
  default     = "address"
}

variable "ports" {
  description = "The TCP ports that tasks may reach outside: 443, and 22 for git over SSH."
  type        = list(number)
  default     = [443]
}

variable "customer_managed_key" {
  description = "Whether everything is encrypted with a KMS key of this deployment, billed by the month, in place of keys that AWS owns."
  type        = bool
  default     = true
}

variable "delete_data" {
  description = "Whether `terraform destroy` takes jobs, memory, artifacts, images and secrets along. Set it and apply before you destroy."
  type        = bool
  default     = false
}

variable "alarm_actions" {
  description = "What an alarm sets off, such as the ARN of an SNS topic."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "A budget for the month in US dollars, and who is told by mail when it is used up; none when absent."
  type = object({
    monthly_usd = number
    emails      = list(string)
  })
  default = null
}

variable "tags" {
  description = "More tags of all resources."
  type        = map(string)
  default     = {}
}

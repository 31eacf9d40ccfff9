variable "name" {
  description = "What the names of all resources begin with, and the name of the task definition's family."
  type        = string
}

variable "image_tag" {
  description = "The tag of the runner's image in the repository of this module. A tag is never put on another image."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "The tag is one of letters, digits, dots, hyphens and underscores, and not `latest`: it has to say which image it is."
  }
}

variable "architecture" {
  description = "The processors of tasks: `x86_64` or `arm64`, as the image was built."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "cpu" {
  description = "Processor units of a task whose launch says nothing: 1024 are one processor."
  type        = number
  default     = 1024

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "Fargate has 256, 512, 1024, 2048, 4096, 8192 or 16384 units."
  }
}

variable "memory" {
  description = "Memory of a task whose launch says nothing, in MiB."
  type        = number
  default     = 4096

  validation {
    condition     = var.memory >= 512 && var.memory <= 122880
    error_message = "Fargate has 512 to 122880 MiB."
  }
}

variable "bucket" {
  description = "The bucket of artifacts, of which a task reaches what is beneath `seats/`."
  type = object({
    name = string
    arn  = string
  })
}

variable "key_arn" {
  description = "The KMS key that encrypts images, logs and the bucket; AWS's own keys when absent."
  type        = string
  default     = null
}

variable "secrets" {
  description = "Secrets of Secrets Manager that runners are given, each by the name of its variable: { ANTHROPIC_API_KEY = \"arn:…\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, arn in var.secrets : can(regex("^[A-Z][A-Z0-9_]*$", name)) && can(regex("^arn:[a-z-]+:secretsmanager:", arn))])
    error_message = "Secrets are given as NAME = ARN of Secrets Manager."
  }
}

variable "environment" {
  description = "Variables that all runners are given. What is secret belongs into `secrets`."
  type        = map(string)
  default     = {}
}

variable "exec" {
  description = "Whether people may enter a running task with ECS Exec."
  type        = bool
  default     = false
}

variable "readonly_root" {
  description = "Whether the runner's file system is read-only but for its folders; the image has to declare these as volumes, which that of this project does not."
  type        = bool
  default     = false
}

variable "insights" {
  description = "Whether ECS counts processors and memory of each task, which CloudWatch bills by the metric."
  type        = bool
  default     = false
}

variable "log_days" {
  description = "For how many days CloudWatch keeps what runners print, one of the numbers that it knows."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "kept_images" {
  description = "How many images the repository keeps, the newest ones."
  type        = number
  default     = 10

  validation {
    condition     = var.kept_images >= 1
    error_message = "One image at least is kept."
  }
}

variable "delete_data" {
  description = "Whether `destroy` may take the images along."
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

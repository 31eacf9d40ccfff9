variable "name" {
  description = "What the names of all resources begin with."
  type        = string
}

variable "cidr" {
  description = "The IPv4 addresses of the network, /16 to /24."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 24, false)
    error_message = "The network is an IPv4 block from /16 to /24."
  }
}

variable "zones" {
  description = "Over how many availability zones tasks are spread: 1 to 3."
  type        = number
  default     = 2

  validation {
    condition     = contains([1, 2, 3], var.zones)
    error_message = "There are 1 to 3 zones."
  }
}

variable "way_out" {
  description = "How tasks reach the world: `address`, a public IPv4 address each while it runs, without a way in; `ipv6`, private subnets from which IPv6 alone leads out, and endpoints billed by the hour to what AWS offers; `nat`, private subnets with a NAT gateway billed by the hour."
  type        = string
  default     = "address"

  validation {
    condition     = contains(["address", "ipv6", "nat"], var.way_out)
    error_message = "The way out is address, ipv6 or nat."
  }
}

variable "ports" {
  description = "The TCP ports that tasks may reach outside: 443, and 22 for git over SSH."
  type        = list(number)
  default     = [443]

  validation {
    condition     = contains(var.ports, 443) && alltrue([for port in var.ports : port >= 1 && port <= 65535])
    error_message = "Ports are 1 to 65535, and 443 is one of them: the image and the API are reached there."
  }
}

variable "endpoints" {
  description = "Services of AWS that tasks reach by an endpoint in the network, each billed by the hour and zone; with `ipv6`, those for images, logs and secrets are there anyway."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.endpoints : can(regex("^[a-z][a-z0-9.-]+$", service))])
    error_message = "Services are named as AWS does: logs, ecr.api, secretsmanager."
  }
}

variable "tags" {
  description = "Tags of all resources, besides those of the provider."
  type        = map(string)
  default     = {}
}

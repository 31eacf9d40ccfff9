# A network for tasks alone: nothing in it listens. Functions and tables are not in it.

data "aws_availability_zones" "there" {
  # checkov:skip=CKV_AWS_394: as many as `zones` says are taken, in the order of their names; a new one comes last
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_region" "current" {}

locals {
  zones  = slice(data.aws_availability_zones.there.names, 0, var.zones)
  public = var.way_out == "address"
  ipv6   = var.way_out == "ipv6"
  nat    = var.way_out == "nat"
  # Without any IPv4 outside, a task is started by these.
  needed   = local.ipv6 ? ["ecr.api", "ecr.dkr", "logs", "secretsmanager"] : []
  services = toset(concat(local.needed, var.endpoints))
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11: a log of each connection is billed by its size; a task's own log says what it did
  cidr_block                       = var.cidr
  enable_dns_support               = true
  enable_dns_hostnames             = true
  assign_generated_ipv6_cidr_block = local.ipv6
  tags                             = merge(var.tags, { Name = var.name })
}

# The group that AWS makes itself lets nothing in or out.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-closed" })
}

resource "aws_subnet" "tasks" {
  count = var.zones

  vpc_id                          = aws_vpc.this.id
  availability_zone               = local.zones[count.index]
  cidr_block                      = cidrsubnet(var.cidr, 3, count.index)
  ipv6_cidr_block                 = local.ipv6 ? cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, count.index) : null
  assign_ipv6_address_on_creation = local.ipv6
  # A task says itself whether it has a public address.
  map_public_ip_on_launch = false
  tags                    = merge(var.tags, { Name = "${var.name}-tasks-${count.index}" })
}

resource "aws_internet_gateway" "this" {
  count = local.ipv6 ? 0 : 1

  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = var.name })
}

resource "aws_egress_only_internet_gateway" "this" {
  count = local.ipv6 ? 1 : 0

  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = var.name })
}

resource "aws_route_table" "tasks" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-tasks" })
}

resource "aws_route_table_association" "tasks" {
  count = var.zones

  subnet_id      = aws_subnet.tasks[count.index].id
  route_table_id = aws_route_table.tasks.id
}

resource "aws_route" "address" {
  count = local.public ? 1 : 0

  route_table_id         = aws_route_table.tasks.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route" "ipv6" {
  count = local.ipv6 ? 1 : 0

  route_table_id              = aws_route_table.tasks.id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.this[0].id
}

resource "aws_route" "nat" {
  count = local.nat ? 1 : 0

  route_table_id         = aws_route_table.tasks.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[0].id
}

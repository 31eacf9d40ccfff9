# What tasks may reach, and the ways to AWS that do not leave the network. Nobody reaches a task.

resource "aws_security_group" "tasks" {
  # checkov:skip=CKV2_AWS_5: a task is given it when it starts, and there is none before
  name        = "${var.name}-tasks"
  description = "Tasks: out at a few ports, nothing in"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-tasks" })
}

resource "aws_vpc_security_group_egress_rule" "ipv4" {
  for_each = toset([for port in var.ports : tostring(port)])

  security_group_id = aws_security_group.tasks.id
  description       = "Out at ${each.key}"
  cidr_ipv4         = local.ipv6 ? var.cidr : "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "ipv6" {
  for_each = toset([for port in var.ports : tostring(port) if local.ipv6])

  security_group_id = aws_security_group.tasks.id
  description       = "Out at ${each.key}"
  cidr_ipv6         = "::/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
  tags              = var.tags
}

# The layers of images come from S3. An endpoint of this kind costs nothing, and goes by its own addresses.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.tasks.id]
  tags              = merge(var.tags, { Name = "${var.name}-s3" })
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count = local.ipv6 ? 1 : 0

  security_group_id = aws_security_group.tasks.id
  description       = "To S3 by its endpoint"
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_security_group" "endpoints" {
  count = length(local.services) > 0 ? 1 : 0

  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS: in from tasks alone"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-endpoints" })
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = length(local.services) > 0 ? 1 : 0

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "From tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  tags                         = var.tags
}

resource "aws_vpc_endpoint" "services" {
  for_each = local.services

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${data.aws_region.current.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = aws_subnet.tasks[*].id
  security_group_ids  = [aws_security_group.endpoints[0].id]
  tags                = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

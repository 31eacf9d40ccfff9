output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Where tasks run."
  value       = aws_subnet.tasks[*].id
}

output "security_group_ids" {
  description = "The security groups of tasks."
  value       = [aws_security_group.tasks.id]
}

output "public_address" {
  description = "Whether a task needs a public address to reach anything."
  value       = local.public
}

output "ip_address_type" {
  description = "Under which addresses the API has to answer, so that tasks reach it: `ipv4`, or `dualstack` for both."
  value       = local.ipv6 ? "dualstack" : "ipv4"
}

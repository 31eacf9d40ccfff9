# Multi-Agent Sandbox on AWS: API Gateway, Lambda, DynamoDB and Fargate. Nothing runs while there are no jobs.

locals {
  tags = merge(var.tags, {
    Deployment = var.name
    ManagedBy  = "terraform"
    Project    = "multi-agent-sandbox"
  })

  network = var.network != null ? var.network : {
    subnet_ids         = module.network[0].subnet_ids
    security_group_ids = module.network[0].security_group_ids
    public_address     = module.network[0].public_address
  }
}

module "records" {
  source = "../../modules/records"

  name                 = var.name
  customer_managed_key = var.customer_managed_key
  key_deletion_days    = var.delete_data ? 7 : 30
  delete_data          = var.delete_data
  tags                 = local.tags
}

module "network" {
  source = "../../modules/network"
  count  = var.network == null ? 1 : 0

  name    = var.name
  way_out = var.way_out
  ports   = var.ports
  tags    = local.tags
}

module "runner" {
  source = "../../modules/runner"

  name         = var.name
  image_tag    = var.image_tag
  architecture = var.image_architecture
  bucket       = module.records.bucket
  key_arn      = module.records.key_arn
  secrets      = var.runner_secrets
  environment  = var.runner_environment
  exec         = var.exec
  delete_data  = var.delete_data
  tags         = local.tags
}

module "api" {
  source = "../../modules/api"

  name               = var.name
  package            = var.package
  architecture       = var.package_architecture
  records_table      = module.records.records_table
  memory_table       = module.records.memory_table
  bucket             = module.records.bucket
  key_arn            = module.records.key_arn
  cluster            = module.runner.cluster
  task_definition    = module.runner.task_definition
  task_role_arns     = module.runner.role_arns
  log_group          = module.runner.log_group
  subnet_ids         = local.network.subnet_ids
  security_group_ids = local.network.security_group_ids
  public_address     = local.network.public_address
  ip_address_type    = var.network == null ? module.network[0].ip_address_type : "ipv4"
  exec               = var.exec
  capacity           = var.capacity
  alarm_actions      = var.alarm_actions
  delete_data        = var.delete_data
  tags               = local.tags
}

module "budget" {
  source = "../../modules/budget"
  count  = var.budget == null ? 0 : 1

  name        = var.name
  monthly_usd = var.budget.monthly_usd
  emails      = var.budget.emails
  tags        = local.tags
}

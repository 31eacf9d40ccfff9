output "url" {
  description = "Where the API is: `export SANDBOX_SERVER=…` for the command line."
  value       = module.api.url
}

output "region" {
  description = "The region of the deployment."
  value       = var.region
}

output "keys_secret" {
  description = "The secret that holds the keys of the API's clients; it is empty at first."
  value       = module.api.keys_secret
}

output "seats_secret" {
  description = "The secret that the tokens of runners are signed with; it is empty at first."
  value       = module.api.seats_secret
}

output "repository_url" {
  description = "Where the runner's image is pushed to."
  value       = module.runner.repository_url
}

output "image" {
  description = "The image that tasks run in; jobs wait, and then fail, until it is there."
  value       = "${module.runner.repository_url}:${var.image_tag}"
}

output "records_table" {
  description = "The table of jobs."
  value       = module.records.records_table.name
}

output "memory_table" {
  description = "The table of memory."
  value       = module.records.memory_table.name
}

output "bucket" {
  description = "The bucket of artifacts."
  value       = module.records.bucket.name
}

output "cluster" {
  description = "The ECS cluster of tasks."
  value       = module.runner.cluster.name
}

output "log_group" {
  description = "Where runners print to."
  value       = module.runner.log_group.name
}

output "functions" {
  description = "The functions, by what they do."
  value       = module.api.functions
}

output "queues" {
  description = "The queue of wakes, and those in which lies what failed again and again."
  value       = module.api.queues
}

output "sweep_rule" {
  description = "The rule of the sweep of every five minutes."
  value       = module.api.sweep_rule
}

output "event_sources" {
  description = "What polls the stream of changes and the queue of wakes: the ids of the event source mappings."
  value       = module.api.event_sources
}

output "standing" {
  description = "What is billed by the month though nothing runs, for `sandbox cloud status`."
  value = merge(module.api.standing, {
    kms_keys = var.customer_managed_key ? 1 : 0
    way_out  = var.network == null ? var.way_out : "own"
  })
}

output "secrets_prefix" {
  description = "What the names of tenants' secrets begin with: PREFIX/TENANT/NAME."
  value       = module.api.secrets_prefix
}

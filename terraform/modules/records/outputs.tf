output "records_table" {
  description = "The table of jobs: its name, its ARN and those of its stream and its indexes."
  value = {
    name        = aws_dynamodb_table.records.name
    arn         = aws_dynamodb_table.records.arn
    stream_arn  = aws_dynamodb_table.records.stream_arn
    index_arns  = [for index in aws_dynamodb_table.records.global_secondary_index : "${aws_dynamodb_table.records.arn}/index/${index.name}"]
    stream_arns = "${aws_dynamodb_table.records.arn}/stream/*"
  }
}

output "memory_table" {
  description = "The table of memory: its name and its ARN."
  value = {
    name = aws_dynamodb_table.memory.name
    arn  = aws_dynamodb_table.memory.arn
  }
}

output "bucket" {
  description = "The bucket of artifacts: its name and its ARN."
  value = {
    name = aws_s3_bucket.artifacts.bucket
    arn  = aws_s3_bucket.artifacts.arn
  }
}

output "key_arn" {
  description = "The KMS key of this deployment; nothing where AWS's own keys are used."
  value       = local.key_arn
}

# The tables as the programs check them when they start. Both are paid by the request.

resource "aws_dynamodb_table" "records" {
  name                        = "${var.name}-records"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = !var.delete_data
  stream_enabled              = true
  # Who is told of a change reads the job itself: what a stream carries is old by then.
  stream_view_type = "KEYS_ONLY"
  tags             = var.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "lt"
    type = "S"
  }

  attribute {
    name = "ls"
    type = "S"
  }

  attribute {
    name = "dk"
    type = "S"
  }

  attribute {
    name = "ds"
    type = "S"
  }

  global_secondary_index {
    name            = "list"
    hash_key        = "lt"
    range_key       = "ls"
    projection_type = "KEYS_ONLY"
  }

  global_secondary_index {
    name               = "due"
    hash_key           = "dk"
    range_key          = "ds"
    projection_type    = "INCLUDE"
    non_key_attributes = ["ls", "w"]
  }

  ttl {
    attribute_name = "x"
    enabled        = true
  }

  point_in_time_recovery {
    enabled                 = var.recovery_days > 0
    recovery_period_in_days = var.recovery_days > 0 ? var.recovery_days : null
  }

  server_side_encryption {
    enabled     = var.customer_managed_key
    kms_key_arn = local.key_arn
  }
}

resource "aws_dynamodb_table" "memory" {
  name                        = "${var.name}-memory"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = !var.delete_data
  tags                        = var.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  point_in_time_recovery {
    enabled                 = var.recovery_days > 0
    recovery_period_in_days = var.recovery_days > 0 ? var.recovery_days : null
  }

  server_side_encryption {
    enabled     = var.customer_managed_key
    kms_key_arn = local.key_arn
  }
}

# What is too large for a table: specs, reports, logs, snapshots of memory, and beneath `seats/` what runners put there.

resource "aws_s3_bucket" "artifacts" {
  # checkov:skip=CKV_AWS_18: a log of each access would need a bucket that is never deleted; CloudTrail's data events do it for those who want one
  # checkov:skip=CKV_AWS_144: a copy in a second region doubles the cost; what a job left behind can be had from the job again
  # checkov:skip=CKV2_AWS_62: nobody waits for an object: who needs one is told its name
  bucket        = "${var.name}-artifacts-${local.account}-${local.region}"
  force_destroy = var.delete_data
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    # One request to KMS for many objects.
    bucket_key_enabled = var.customer_managed_key

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.customer_managed_key ? "aws:kms" : "AES256"
      kms_master_key_id = local.key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  # The rules are about versions, which have to be kept first.
  depends_on = [aws_s3_bucket_versioning.artifacts]

  bucket = aws_s3_bucket.artifacts.id

  rule {
    id     = "replaced"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = var.replaced_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "seats"
    status = "Enabled"

    filter {
      prefix = "seats/"
    }

    expiration {
      days = var.seats_days
    }
  }
}

resource "aws_s3_bucket_policy" "artifacts" {
  depends_on = [aws_s3_bucket_public_access_block.artifacts]

  bucket = aws_s3_bucket.artifacts.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# Places for two secrets. What they say is put there by hand and never stands in Terraform's state.

resource "aws_secretsmanager_secret" "keys" {
  # checkov:skip=CKV2_AWS_57: keys of clients are changed when a client is, not by the clock
  name                    = "${var.name}/api-keys"
  description             = "The keys of the API's clients, as JSON: {\"KEY\": \"CLIENT\"}"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.delete_data ? 0 : 7
  tags                    = var.tags
}

resource "aws_secretsmanager_secret" "seats" {
  # checkov:skip=CKV2_AWS_57: a new one turns away every runner at work; it is changed when it may be known
  name                    = "${var.name}/seats"
  description             = "What the tokens of runners are signed with"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.delete_data ? 0 : 7
  tags                    = var.tags
}

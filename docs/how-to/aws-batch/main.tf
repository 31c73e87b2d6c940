# As template.yaml, for Terraform: workers of crew on AWS Batch with Fargate.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

variable "vpc" { type = string }
variable "subnets" { type = list(string) }
variable "image" { type = string }
variable "port" {
  type    = number
  default = 57000
}
variable "max_cpus" {
  type    = number
  default = 64
}

data "aws_caller_identity" "here" {}
data "aws_region" "here" {}

locals {
  account = data.aws_caller_identity.here.account_id
  region  = data.aws_region.here.name
  filled = {
    for name in ["user-policy.json", "job-role-policy.json"] :
    name => replace(replace(replace(replace(
      file("${path.module}/${name}"),
      "REGION", local.region),
      "ACCOUNT", local.account),
      "QUEUE", aws_batch_job_queue.crew.name),
    "DEFINITION", "crew-worker")
  }
}

# Controllers and workers are in this group, and reach each other on one port.
resource "aws_security_group" "crew" {
  name_prefix = "crew-"
  vpc_id      = var.vpc

  ingress {
    protocol  = "tcp"
    from_port = var.port
    to_port   = var.port
    self      = true
  }
  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# AWS fetches the image and writes logs with this role.
resource "aws_iam_role" "execution" {
  name_prefix        = "crew-execution-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

# Workers have this one, and tasks with them: add what tasks need.
resource "aws_iam_role" "job" {
  name_prefix        = "crew-job-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "job" {
  role   = aws_iam_role.job.name
  policy = local.filled["job-role-policy.json"]
}

resource "aws_batch_compute_environment" "crew" {
  compute_environment_name_prefix = "crew-"
  type                            = "MANAGED"

  compute_resources {
    type               = "FARGATE"
    max_vcpus          = var.max_cpus
    subnets            = var.subnets
    security_group_ids = [aws_security_group.crew.id]
  }
}

resource "aws_batch_job_queue" "crew" {
  name     = "crew"
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.crew.arn
  }
}

resource "aws_batch_job_definition" "worker" {
  name                  = "crew-worker"
  type                  = "container"
  platform_capabilities = ["FARGATE"]

  container_properties = jsonencode({
    image            = var.image
    jobRoleArn       = aws_iam_role.job.arn
    executionRoleArn = aws_iam_role.execution.arn
    resourceRequirements = [
      { type = "VCPU", value = "1" },
      { type = "MEMORY", value = "2048" },
    ]
  })
}

# For the role or user that runs controllers.
resource "aws_iam_policy" "user" {
  name_prefix = "crew-user-"
  policy      = local.filled["user-policy.json"]
}

output "job_queue" { value = aws_batch_job_queue.crew.name }
output "job_definition" { value = aws_batch_job_definition.worker.name }
output "security_group" { value = aws_security_group.crew.id }
output "user_policy" { value = aws_iam_policy.user.arn }

{{/*
Table of services: the calls between them and the needs of each. Peers, network policies, volumes and variables derive from it.
  calls        services that it calls by gRPC
  jobs         whether it delegates heavy work to a job worker
  files        files in its own Secret of keys
  api          whether it calls the Kubernetes API; training also does if runs get dedicated pods
  environment  whether `common.<service>Environment` has variables of its own
*/}}
{{- define "common.services" -}}
ingestion:  {calls: [], jobs: true, environment: true, files: [ingestion.key, record.secret]}
labeling:   {calls: [ingestion, evaluation, registry, serving, flywheel], jobs: true, files: [labeling.key]}
training:   {calls: [registry, flywheel], jobs: true, environment: true, files: [training.key]}
evaluation: {calls: [ingestion, labeling], jobs: true, files: [evaluation.key]}
registry:   {calls: [], jobs: true, files: [registry.key, model-signing.pem]}
serving:    {calls: [registry], jobs: false, api: true, environment: true, files: [serving.key]}
flywheel:   {calls: [ingestion, labeling, training, evaluation, registry, serving], jobs: true, files: [flywheel.key, answers.secret]}
gateway:    {calls: [ingestion, labeling, training, evaluation, registry, serving, flywheel], jobs: false, environment: true, files: [gateway.key, answers.secret]}
{{- end -}}

{{/* Entry of one service in the table. Arguments: (dict "part" name). */}}
{{- define "common.serviceEntry" -}}
{{- get (include "common.services" . | fromYaml) .part | toYaml -}}
{{- end -}}

{{/* "true" if a service calls the Kubernetes API, otherwise "false". */}}
{{- define "common.callsApi" -}}
{{- $entry := include "common.serviceEntry" . | fromYaml -}}
{{- if or $entry.api (and (eq .part "training") .root.Values.workers) }}true{{ else }}false{{ end -}}
{{- end -}}

{{/* Group that runs the jobs of a service. Training, if no group lists it, uses the job worker in the pod of the Ray head. */}}
{{- define "common.jobs" -}}
{{- $found := eq .part "training" | ternary "training-jobs" "" -}}
{{- $part := .part -}}
{{- range $group, $settings := .root.Values.global.workers }}{{ if has $part $settings.services }}{{ $found = $group }}{{ end }}{{ end -}}
{{- if not $found -}}
{{- fail (printf "No group of global.workers runs the jobs of %s: add it to the services of one group." .part) -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* Addresses of the job workers of a service, one per pod, because a job stays on the pod on which it started. */}}
{{- define "common.jobAddresses" -}}
{{- $group := include "common.jobs" . -}}
{{- $name := include "common.name" (dict "root" .root "part" $group) -}}
{{- if eq $group "training-jobs" -}}
{{- printf "%s:50051" $name -}}
{{- else -}}
{{- $addresses := list -}}
{{- range $number := until (int (get .root.Values.global.workers $group).replicas) -}}
{{- $addresses = append $addresses (printf "%s-%d.%s.%s.svc:50051" $name $number $name $.root.Release.Namespace) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}
{{- end -}}

{{/* Addresses of the services that a service calls, as JSON. */}}
{{- define "common.peers" -}}
{{- $peers := dict -}}
{{- $root := .root -}}
{{- range .calls -}}
{{- $_ := set $peers . (printf "dns:///%s:50051" (include "common.name" (dict "root" $root "part" .))) -}}
{{- end -}}
{{- $peers | toJson -}}
{{- end -}}

{{/* Kafka brokers as `host:port`. */}}
{{- define "common.brokers" -}}
{{- .root.Values.global.events.bootstrap | default (printf "%s:9092" (include "common.name" (dict "root" .root "part" "kafka"))) -}}
{{- end -}}

{{/* Environment of components that access artifacts. */}}
{{- define "common.artifactsEnvironment" -}}
{{- $artifacts := .root.Values.global.artifacts -}}
{{- $endpoint := $artifacts.endpoint -}}
{{- if not $artifacts.bucket }}
{{- $endpoint = printf "http://%s:7070" (include "common.name" (dict "root" .root "part" "s3")) }}
{{- end }}
{{- with $endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
- {name: AWS_REGION, value: {{ $artifacts.region | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ $artifacts.region | quote }}}
{{- $secret := $artifacts.existingSecret }}
{{- if not $artifacts.bucket }}{{ $secret = include "common.name" (dict "root" .root "part" "s3") }}{{ end }}
{{- with $secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . | toJson }}, key: access-key-id}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . | toJson }}, key: secret-access-key}}
{{- end }}
{{- end -}}

{{- define "common.artifactsUrl" -}}
{{- $artifacts := .root.Values.global.artifacts -}}
{{- printf "s3://%s/%s" ($artifacts.bucket | default "ratoon") $artifacts.prefix | trimSuffix "/" -}}
{{- end -}}

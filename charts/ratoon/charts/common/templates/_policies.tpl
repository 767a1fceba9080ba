{{/* NetworkPolicy peer: the pods of a component of this release. Arguments: (dict "root" . "part" name). */}}
{{- define "common.peer" -}}
podSelector:
  matchLabels:
    {{- include "common.selector" . | nindent 4 }}
{{- end -}}

{{/*
One rule of a NetworkPolicy; no rule if there are no peers.
Arguments: (dict "root" "way" from|to "parts" list "peers" list "anybody" bool "ports" list).
*/}}
{{- define "common.rule" -}}
{{- $root := .root -}}
{{- if or .parts .peers .anybody -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . | toJson }}}
    {{- end }}
  {{- if not .anybody }}
  {{ .way }}:
    {{- range .parts }}
    - {{- include "common.peer" (dict "root" $root "part" .) | nindent 6 }}
    {{- end }}
    {{- with .peers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* NetworkPolicy of one component. Arguments: (dict "root" "part" "ingress" text "egress" text), with rendered rules. */}}
{{- define "common.policy" -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{- if trim .ingress }}{{ trim .ingress | nindent 4 }}{{ else }} []{{ end }}
  egress: {{- if trim .egress }}{{ trim .egress | nindent 4 }}{{ else }} []{{ end }}
{{- end -}}

{{- define "common.egressDns" }}
{{- with .root.Values.global.networkPolicies.dns }}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  to:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Egress to the artifact store, bundled or external. */}}
{{- define "common.egressArtifacts" }}
{{- $global := .root.Values.global }}
{{- if not $global.artifacts.bucket }}
{{ include "common.rule" (dict "root" .root "way" "to" "parts" (list "s3") "ports" (list 7070)) }}
{{- else }}
{{ include "common.rule" (dict "root" .root "way" "to" "peers" $global.networkPolicies.outside.artifacts "ports" (list (include "common.urlPort" $global.artifacts.endpoint | int))) }}
{{- end }}
{{- end -}}

{{- define "common.egressDatabase" }}
{{- $global := .root.Values.global }}
{{- if $global.database.existingSecrets }}
{{ include "common.rule" (dict "root" .root "way" "to" "peers" $global.networkPolicies.outside.database "ports" (list (int $global.database.port))) }}
{{- else }}
{{ include "common.rule" (dict "root" .root "way" "to" "parts" (list "postgresql") "ports" (list 5432)) }}
{{- end }}
{{- end -}}

{{- define "common.egressEvents" }}
{{- $global := .root.Values.global }}
{{- if $global.events.bootstrap }}
{{- $ports := list }}
{{- range splitList "," $global.events.bootstrap }}{{ $ports = append $ports (splitList ":" . | last | int) }}{{ end }}
{{ include "common.rule" (dict "root" .root "way" "to" "peers" $global.networkPolicies.outside.events "ports" (uniq $ports)) }}
{{- else }}
{{ include "common.rule" (dict "root" .root "way" "to" "parts" (list "kafka") "ports" (list 9092)) }}
{{- end }}
{{- end -}}

{{- define "common.egressTraces" }}
{{- with .root.Values.global.observability.otlp }}
{{ include "common.rule" (dict "root" $.root "way" "to" "peers" $.root.Values.global.networkPolicies.outside.traces "ports" (list (include "common.urlPort" . | int))) }}
{{- end }}
{{- end -}}

{{- define "common.egressApi" }}
{{ include "common.rule" (dict "root" .root "way" "to" "peers" .root.Values.global.networkPolicies.apiServer "ports" (list 443 6443)) }}
{{- end -}}

{{- define "common.ingressMetrics" }}
{{ include "common.rule" (dict "root" .root "way" "from" "peers" .root.Values.global.networkPolicies.monitoring "ports" (list 9090)) }}
{{- end -}}

{{/* Port of a URL, or the default port of its scheme. */}}
{{- define "common.urlPort" -}}
{{- $host := regexReplaceAll "^[a-z]+://([^/]*).*$" . "${1}" -}}
{{- if contains ":" $host }}{{ splitList ":" $host | last }}{{ else if hasPrefix "http://" . }}80{{ else }}443{{ end -}}
{{- end -}}

{{/* Ingress and egress of a service, derived from the table of services (`common.services`). */}}
{{- define "common.servicePolicy" -}}
{{- $part := .part -}}
{{- $services := include "common.services" . | fromYaml -}}
{{- $entry := get $services $part -}}
{{- $callers := list -}}
{{- range $name, $settings := $services }}{{ if has $part $settings.calls }}{{ $callers = append $callers $name }}{{ end }}{{ end -}}
{{- $ingress := include "common.ingressMetrics" . -}}
{{- with $callers }}{{ $ingress = printf "%s\n%s" $ingress (include "common.rule" (dict "root" $.root "way" "from" "parts" (sortAlpha .) "ports" (list 50051))) }}{{ end -}}
{{- if eq $part "gateway" }}{{ $ingress = printf "%s\n%s" $ingress (include "common.gatewayIngress" .) }}{{ end -}}
{{- $egress := list (include "common.egressDns" .) (include "common.egressDatabase" .) (include "common.egressArtifacts" .) (include "common.egressTraces" .) -}}
{{- with $entry.calls }}{{ $egress = append $egress (include "common.rule" (dict "root" $.root "way" "to" "parts" . "ports" (list 50051))) }}{{ end -}}
{{- if ne $part "gateway" }}{{ $egress = append $egress (include "common.egressEvents" .) }}{{ end -}}
{{- if $entry.jobs }}{{ $egress = append $egress (include "common.rule" (dict "root" .root "way" "to" "parts" (list (include "common.jobs" . | replace "training-jobs" "ray-head")) "ports" (list 50051))) }}{{ end -}}
{{- if eq (include "common.callsApi" .) "true" }}{{ $egress = append $egress (include "common.egressApi" .) }}{{ end -}}
{{- if has $part (list "serving" "gateway") }}{{ $egress = append $egress (include "common.rule" (dict "root" .root "way" "to" "parts" (list "engine") "ports" (list 8000))) }}{{ end -}}
{{- $clean := list }}{{ range $egress }}{{ with trim . }}{{ $clean = append $clean . }}{{ end }}{{ end -}}
{{- include "common.policy" (dict "root" .root "part" $part "ingress" $ingress "egress" (join "\n" $clean)) -}}
{{- end -}}

{{/* Ingress of the gateway: all peers, unless the values restrict them. The console and the release test are always allowed. */}}
{{- define "common.gatewayIngress" -}}
{{- $callers := .root.Values.global.networkPolicies.callers -}}
{{ include "common.rule" (dict "root" .root "way" "from" "anybody" (empty $callers) "parts" (list "console" "test") "peers" $callers "ports" (list 8080 8081)) }}
{{- end -}}

{{/* Egress of workers: DNS, artifacts, the trace collector. */}}
{{- define "common.workEgress" -}}
{{- $clean := list }}
{{- range list (include "common.egressDns" .) (include "common.egressArtifacts" .) (include "common.egressTraces" .) }}{{ with trim . }}{{ $clean = append $clean . }}{{ end }}{{ end -}}
{{- join "\n" $clean -}}
{{- end -}}

{{/*
Egress of workers to places outside of the release that their services read: connections and crawls of ingestion, judges of
evaluation, endpoints of labeling, teachers of training. Arguments: (dict "root" . "services" list).
*/}}
{{- define "common.readingEgress" -}}
{{- $root := .root -}}
{{- $outside := .root.Values.global.networkPolicies.outside -}}
{{- $openings := list -}}
{{- if has "ingestion" .services }}{{ $openings = concat $openings $outside.connections $outside.crawls }}{{ end -}}
{{- if or (has "evaluation" .services) (has "labeling" .services) (has "training" .services) }}{{ $openings = concat $openings $outside.judges }}{{ end -}}
{{- $rules := list -}}
{{- range $openings }}{{ $rules = append $rules (include "common.rule" (dict "root" $root "way" "to" "peers" .peers "ports" .ports)) }}{{ end -}}
{{- join "\n" $rules -}}
{{- end -}}

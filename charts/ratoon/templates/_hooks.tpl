{{/*
ServiceAccount, Role and NetworkPolicy of a hook's Job. Helm creates them before the Job and deletes them after it.
Arguments: (dict "root" "part" "hook" "rules").
*/}}
{{- define "ratoon.hookRights" -}}
{{- $annotations := merge (dict "helm.sh/hook-weight" "-5") .hook -}}
{{- $name := include "common.name" . -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  annotations:
    {{- toYaml $annotations | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  annotations:
    {{- toYaml $annotations | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  annotations:
    {{- toYaml $annotations | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name | toJson }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name | toJson }}, namespace: {{ .root.Release.Namespace | toJson }}}
{{- if .root.Values.global.networkPolicies.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  annotations:
    {{- toYaml $annotations | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "common.egressDns" . | trim | nindent 4 }}
    {{- include "common.egressApi" . | trim | nindent 4 }}
{{- end }}
{{- end -}}

{{/* The Job creates only missing Secrets. It changes only the file of public keys, to which it adds a new service. */}}
{{- define "ratoon.secretsRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "common.fullname" .root }}-public-keys]
  verbs: [patch]
{{- end -}}

{{- define "ratoon.cleanupRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, delete]
{{- end -}}

{{/* Specification of the Job. Arguments: (dict "root" "part" "action" make|remove). */}}
{{- define "ratoon.hookJob" -}}
backoffLimit: 3
activeDeadlineSeconds: 300
template:
  metadata:
    labels:
      {{- include "common.podLabels" . | nindent 6 }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "common.name" . | toJson }}
    automountServiceAccountToken: true
    enableServiceLinks: false
    securityContext:
      {{- include "common.podSecurity" . | nindent 6 }}
    {{- include "common.pullSecrets" . | nindent 4 }}
    {{- include "common.placement" (merge (dict "pool" .root.Values.hooks.pool) .) | nindent 4 }}
    containers:
      - name: secrets
        image: {{ include "common.image" (dict "root" .root "image" "services") | toJson }}
        imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
        command: [python, -m, ratoon.kubernetes.secrets, {{ .action | toJson }}]
        securityContext:
          {{- include "common.containerSecurity" . | nindent 10 }}
        resources:
          {{- toYaml .root.Values.hooks.resources | nindent 10 }}
        env:
          {{- include "common.homeEnvironment" . | nindent 10 }}
          - {name: RATOON_SECRETS_PLAN, value: {{ include "ratoon.secretsPlan" .root | quote }}}
        volumeMounts:
          - {name: tmp, mountPath: /tmp}
    volumes:
      - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- end -}}

{{/* Plan of the Secrets that the Job creates, as JSON: see the README of the chart. */}}
{{- define "ratoon.secretsPlan" -}}
{{- $root := . -}}
{{- $name := include "common.fullname" . -}}
{{- $services := include "common.serviceNames" . | fromJsonArray -}}
{{- $certificates := dict -}}
{{- if eq .Values.global.tls.mode "generated" -}}
{{- range concat $services (keys .Values.global.workers | sortAlpha) (eq .Values.ray.mode "none" | ternary (list) (list "training-jobs")) -}}
{{- $_ := set $certificates . (include "common.hostnames" (dict "root" $root "part" .) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $passwords := dict -}}
{{- if .Values.postgresql.enabled -}}
{{- range concat $services (list "postgresql") -}}
{{- $_ := set $passwords (eq . "postgresql" | ternary (printf "%s-postgresql" $name) (printf "%s-%s-database" $name .)) (list "password") -}}
{{- end -}}
{{- end -}}
{{- if .Values.s3.enabled -}}{{- $_ := set $passwords (printf "%s-s3" $name) (list "access-key-id" "secret-access-key") -}}{{- end -}}
{{- if ne .Values.ray.mode "none" -}}{{- $_ := set $passwords (printf "%s-ray" $name) (list "token") -}}{{- end -}}
{{- $labels := dict "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/part-of" "ratoon" "app.kubernetes.io/component" "secrets" -}}
{{- dict "namespace" .Release.Namespace "name" $name "labels" $labels "services" $services "keys" true "certificates" $certificates "passwords" $passwords | toJson -}}
{{- end -}}

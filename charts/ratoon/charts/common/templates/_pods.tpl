{{/* Pod-level security context for Pod Security *restricted*. */}}
{{- define "common.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Container-level security context for Pod Security *restricted*. */}}
{{- define "common.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: {drop: [ALL]}
{{- end -}}

{{/* HTTP probes. Arguments: (dict "port" name "live" path "ready" path). */}}
{{- define "common.probes" -}}
startupProbe:
  httpGet: {path: {{ .live | toJson }}, port: {{ .port | toJson }}}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 90
livenessProbe:
  httpGet: {path: {{ .live | toJson }}, port: {{ .port | toJson }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ .ready | toJson }}, port: {{ .port | toJson }}}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Image pull secrets. */}}
{{- define "common.pullSecrets" -}}
{{- with .root.Values.global.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | toJson }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Environment of every Ratoon process: it sets a writable HOME, because the root file system is read-only. */}}
{{- define "common.homeEnvironment" -}}
- {name: HOME, value: /tmp}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- end -}}

{{/* Projected volume of Secrets and public keys. Arguments: (dict "root" . "secrets" (list (dict "name" n "files" list?))). */}}
{{- define "common.projected" -}}
projected:
  defaultMode: 0440
  sources:
    {{- range .secrets }}
    - secret:
        name: {{ .name | toJson }}
        {{- with .files }}
        items:
          {{- range . }}
          - {key: {{ . | toJson }}, path: {{ . | toJson }}}
          {{- end }}
        {{- end }}
    {{- end }}
{{- end -}}

{{/* Name of the Secret that contains the certificate of a component. */}}
{{- define "common.tlsSecret" -}}
{{- $name := include "common.name" . -}}
{{- ternary (.root.Values.global.tls.existingSecrets | replace "{service}" .part) (printf "%s-tls" $name) (eq .root.Values.global.tls.mode "existing") -}}
{{- end -}}

{{/* DNS names in the certificate of a component, as a JSON list. Job workers are addressed per pod. */}}
{{- define "common.hostnames" -}}
{{- $name := include "common.name" . -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $domain := .root.Values.global.clusterDomain -}}
{{- $names := list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.%s" $name $namespace $domain) -}}
{{- if hasPrefix "worker" .part }}{{ $names = append $names (printf "*.%s.%s.svc" $name $namespace) }}{{ end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Certificate of a component, if cert-manager issues it. */}}
{{- define "common.certificate" -}}
{{- if eq .root.Values.global.tls.mode "certManager" }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  secretName: {{ include "common.tlsSecret" . | toJson }}
  dnsNames: {{ include "common.hostnames" . }}
  usages: [server auth, client auth]
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  duration: 2160h
  renewBefore: 720h
  issuerRef: {{ .root.Values.global.tls.issuer | toJson }}
{{- end }}
{{- end -}}

{{- define "common.serviceAccount" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  {{- with merge (dict) (.annotations | default dict) (.root.Values.global.artifacts.serviceAccountAnnotations | default dict) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{/* PodDisruptionBudget: a node drain evicts one pod of a component at a time. */}}
{{- define "common.disruptionBudget" -}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
{{- end -}}

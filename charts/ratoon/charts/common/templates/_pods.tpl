{{/* The pod's half of Pod Security *restricted*. */}}
{{- define "common.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The container's half. */}}
{{- define "common.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Probes over HTTP. Given (dict "port" name "live" path "ready" path). */}}
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

{{/* Where images come from that need a log-in. */}}
{{- define "common.pullSecrets" -}}
{{- with .root.Values.global.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | toJson }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What every process of ours is told that has a read-only root: where it may write. */}}
{{- define "common.homeEnvironment" -}}
- {name: HOME, value: /tmp}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- end -}}

{{/* A folder of secrets and public halves. Given (dict "root" . "secrets" (list (dict "name" n "files" list?))). */}}
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

{{/* The Secret with a part's certificate. */}}
{{- define "common.tlsSecret" -}}
{{- $name := include "common.name" . -}}
{{- ternary (.root.Values.global.tls.existingSecrets | replace "{service}" .part) (printf "%s-tls" $name) (eq .root.Values.global.tls.mode "existing") -}}
{{- end -}}

{{/* The names that a part's certificate must hold, as a JSON list; job workers are called pod by pod. */}}
{{- define "common.hostnames" -}}
{{- $name := include "common.name" . -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $domain := .root.Values.global.clusterDomain -}}
{{- $names := list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.%s" $name $namespace $domain) -}}
{{- if hasPrefix "worker" .part }}{{ $names = append $names (printf "*.%s.%s.svc" $name $namespace) }}{{ end -}}
{{- toJson $names -}}
{{- end -}}

{{/* The certificate of a part, where cert-manager makes it. */}}
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

{{/* Node drains take one pod of a part at a time. */}}
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

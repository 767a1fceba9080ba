{{/* What everything of a release begins with: `ratoon` for a release called so. */}}
{{- define "common.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-ratoon" .Release.Name) (contains "ratoon" .Release.Name) -}}
{{- $name | trunc 36 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of a part: `ratoon-registry`. Given (dict "root" . "part" name). */}}
{{- define "common.name" -}}
{{- printf "%s-%s" (include "common.fullname" .root) .part -}}
{{- end -}}

{{/* What selects the pods of a part. */}}
{{- define "common.selector" -}}
app.kubernetes.io/name: {{ .part }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* The labels of a pod: not the chart's version, by which it would restart for nothing. */}}
{{- define "common.podLabels" -}}
{{ include "common.selector" . }}
app.kubernetes.io/part-of: ratoon
{{- end -}}

{{- define "common.labels" -}}
{{ include "common.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | default .root.Chart.Version | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "common.metadata" -}}
name: {{ include "common.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- end -}}

{{/* An image's name. Given (dict "root" . "image" "services"); a worker image is named with its flavour. */}}
{{- define "common.image" -}}
{{- $images := .root.Values.global.images -}}
{{- $name := empty .flavour | ternary .image (printf "%s-%s" .image .flavour) -}}
{{- if hasKey $images.pinned $name -}}
{{- get $images.pinned $name -}}
{{- else -}}
{{- $registry := empty $images.registry | ternary "" (printf "%s/" (trimSuffix "/" $images.registry)) -}}
{{- $tag := $images.tag | default .root.Chart.AppVersion -}}
{{- printf "%sratoon/%s:%s" $registry .image (empty .flavour | ternary $tag (printf "%s-%s" $tag .flavour)) -}}
{{- end -}}
{{- end -}}

{{/* The pool that a workload is to run on. Given (dict "root" . "pool" name); names that there are not are refused. */}}
{{- define "common.pool" -}}
{{- if not (hasKey .root.Values.global.pools .pool) -}}
{{- fail (printf "There is no pool %q; global.pools has: %s." .pool (keys .root.Values.global.pools | sortAlpha | join ", ")) -}}
{{- end -}}
{{- get .root.Values.global.pools .pool | toYaml -}}
{{- end -}}

{{/* Where a pod may run: selectors, tolerations, spread, priority of its pool. Given (dict "root" . "part" "pool"). */}}
{{- define "common.placement" -}}
{{- $pool := include "common.pool" . | fromYaml -}}
{{- with $pool.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pool.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pool.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pool.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pool.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $pool.spreadOver }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "common.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What is given, with the defaults of what it does not name (a given zero stays). Given (dict "given" "defaults"). */}}
{{- define "common.completed" -}}
{{- $whole := deepCopy .given -}}
{{- range $key, $value := .defaults }}{{ if not (hasKey $whole $key) }}{{ $_ := set $whole $key $value }}{{ end }}{{ end -}}
{{- toYaml $whole -}}
{{- end -}}

{{/* A value as an environment variable has it: whole numbers without an exponent. */}}
{{- define "common.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/*
Prefix of every name of a release: `ratoon` for the release `ratoon`, `blue-ratoon` for `blue`. Two releases never share
a prefix: a truncated name, and a release name that already ends with `-ratoon`, gets a hash of the release name.
*/}}
{{- define "common.fullname" -}}
{{- $own := contains "ratoon" .Release.Name -}}
{{- $name := ternary .Release.Name (printf "%s-ratoon" .Release.Name) $own -}}
{{- if or (gt (len $name) 36) (and $own (hasSuffix "-ratoon" $name)) -}}
{{- printf "%s-%s" ($name | trunc 27 | trimAll "-.") (.Release.Name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* Name of a component, such as `ratoon-registry`. Arguments: (dict "root" . "part" name). */}}
{{- define "common.name" -}}
{{- printf "%s-%s" (include "common.fullname" .root) .part -}}
{{- end -}}

{{/* Selector labels of the pods of a component. */}}
{{- define "common.selector" -}}
app.kubernetes.io/name: {{ .part | toJson }}
app.kubernetes.io/instance: {{ .root.Release.Name | toJson }}
{{- end -}}

{{/* Labels of a pod. They do not include the chart version, which would restart the pods without need. */}}
{{- define "common.podLabels" -}}
{{ include "common.selector" . }}
app.kubernetes.io/part-of: ratoon
{{- end -}}

{{- define "common.labels" -}}
{{ include "common.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | default .root.Chart.Version | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | toJson }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | toJson }}
{{- end -}}

{{- define "common.metadata" -}}
name: {{ include "common.name" . | toJson }}
namespace: {{ .root.Release.Namespace | toJson }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- end -}}

{{/* Reference of an image. Arguments: (dict "root" . "image" "services"), and "flavour" for a worker image. */}}
{{- define "common.image" -}}
{{- $images := .root.Values.global.images -}}
{{- $name := empty .flavour | ternary .image (printf "%s-%s" .image .flavour) -}}
{{- $pinned := $images.pinned | default dict -}}
{{- if hasKey $pinned $name -}}
{{- get $pinned $name -}}
{{- else -}}
{{- $registry := empty $images.registry | ternary "" (printf "%s/" (trimSuffix "/" ($images.registry | default ""))) -}}
{{- $tag := $images.tag | default .root.Chart.AppVersion -}}
{{- printf "%sratoon/%s:%s" $registry .image (empty .flavour | ternary $tag (printf "%s-%s" $tag .flavour)) -}}
{{- end -}}
{{- end -}}

{{/* Pool that a workload runs on. Arguments: (dict "root" . "pool" name). Unknown names are rejected. */}}
{{- define "common.pool" -}}
{{- if not (hasKey .root.Values.global.pools .pool) -}}
{{- fail (printf "Pool %q does not exist; global.pools contains: %s." .pool (keys .root.Values.global.pools | sortAlpha | join ", ")) -}}
{{- end -}}
{{- get .root.Values.global.pools .pool | toYaml -}}
{{- end -}}

{{/* Placement of a pod: selectors, tolerations, spread, priority of its pool. Arguments: (dict "root" . "part" "pool"). */}}
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
priorityClassName: {{ . | toJson }}
{{- end }}
{{- with $pool.runtimeClassName }}
runtimeClassName: {{ . | toJson }}
{{- end }}
{{- with $pool.spreadOver }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ . | toJson }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "common.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Values, completed with defaults for missing keys (an explicit zero stays). Arguments: (dict "given" "defaults"). */}}
{{- define "common.completed" -}}
{{- $whole := deepCopy .given -}}
{{- range $key, $value := .defaults }}{{ if not (hasKey $whole $key) }}{{ $_ := set $whole $key $value }}{{ end }}{{ end -}}
{{- toYaml $whole -}}
{{- end -}}

{{/* Text of a value for an environment variable: integers have no exponent. */}}
{{- define "common.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

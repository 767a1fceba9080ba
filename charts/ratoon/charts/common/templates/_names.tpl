{{/*
The beginning of every name of a release: `ratoon` for a release called so, `blue-ratoon` for `blue`. Two releases never
share it: what is cut, and what ends as a completed name does, gets a hash of the release's name.
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

{{/* The name of a part: `ratoon-registry`. Given (dict "root" . "part" name). */}}
{{- define "common.name" -}}
{{- printf "%s-%s" (include "common.fullname" .root) .part -}}
{{- end -}}

{{/* What selects the pods of a part. */}}
{{- define "common.selector" -}}
app.kubernetes.io/name: {{ .part | toJson }}
app.kubernetes.io/instance: {{ .root.Release.Name | toJson }}
{{- end -}}

{{/* The labels of a pod: not the chart's version, by which it would restart for nothing. */}}
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

{{/* An image's name. Given (dict "root" . "image" "services"); a worker image is named with its flavour. */}}
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

{{/* Values of the garbage-collection CronJob. Values under the old name `upkeep`, removed in 0.3, override those of `gc`. */}}
{{- define "ratoon.gc" -}}
{{- $values := deepCopy .Values.gc -}}
{{- range $name, $value := .Values.upkeep -}}
{{- if kindIs "map" $value -}}
{{- $value = mergeOverwrite (get $values $name) $value -}}
{{- end -}}
{{- $_ := set $values $name $value -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

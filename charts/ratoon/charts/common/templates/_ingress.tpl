{{/* Ingress for the HTTP port of a component, if its values enable one. */}}
{{- define "common.ingress" -}}
{{- $ingress := .root.Values.ingress -}}
{{- if $ingress.enabled -}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "common.metadata" . | nindent 2 }}
  {{- with $ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . | toJson }}
  {{- end }}
  {{- with $ingress.tlsSecret }}
  tls:
    - secretName: {{ . | toJson }}
      hosts: {{ toJson $ingress.hosts }}
  {{- end }}
  rules:
    {{- range $ingress.hosts }}
    - host: {{ . | toJson }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service: {name: {{ include "common.name" $ | toJson }}, port: {name: http}}
    {{- end }}
{{- end -}}
{{- end -}}

{{- define "vestibule.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "vestibule.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "vestibule.name" .) .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (include "vestibule.name" .) | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "vestibule.selector" -}}
app.kubernetes.io/name: {{ include "vestibule.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vestibule.labels" -}}
{{ include "vestibule.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "vestibule.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What cannot work is refused here, in words, and not by pods that do not start. */}}
{{- define "vestibule.demands" -}}
{{- if eq .Values.store.kind "postgresql" }}
{{- if not .Values.store.secret }}{{ fail "store.kind=postgresql needs store.secret: a Secret whose key store.url holds postgres://USER:PASSWORD@HOST/DATABASE" }}{{ end }}
{{- if not .Values.keys.secret }}{{ fail "store.kind=postgresql needs keys.secret: a Secret whose key keys.json holds the same key file for every replica" }}{{ end }}
{{- else if .Values.store.secret }}{{ fail "store.secret is for store.kind=postgresql" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}{{ fail "ingress.enabled needs ingress.hosts" }}{{ end }}
{{- if and .Values.httpRoute.enabled (not (and .Values.httpRoute.parentRefs .Values.httpRoute.hostnames)) }}{{ fail "httpRoute.enabled needs httpRoute.parentRefs and httpRoute.hostnames" }}{{ end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.trustedProxies) }}{{ fail "behind an ingress or a gateway, trustedProxies must name its pods or nodes (such as [10.42.0.0/16])" }}{{ end }}
{{- end }}

{{- define "vestibule.environment" -}}
- { name: VESTIBULE_CONFIG, value: /etc/vestibule/config/vestibule.toml }
- { name: VESTIBULE_LOG_FORMAT, value: json }
- { name: VESTIBULE_SERVER__LISTEN, value: "0.0.0.0:8080" }
- { name: VESTIBULE_SERVER__ADMIN_LISTEN, value: "0.0.0.0:9180" }
# A folder below the volume: the volume itself belongs to root and a group, and the data must be its owner's alone.
- { name: VESTIBULE_SERVER__DATA_DIR, value: /var/lib/vestibule/data }
- { name: VESTIBULE_SERVER__RELOAD_ON_CHANGE, value: "true" }
{{- with .Values.trustedProxies }}
- { name: VESTIBULE_SERVER__TRUSTED_PROXIES, value: {{ join "," . | quote }} }
{{- end }}
{{- if eq .Values.store.kind "postgresql" }}
- { name: VESTIBULE_STORE__URL_FILE, value: /run/secrets/vestibule/store/store.url }
{{- end }}
# Mounted secrets belong to root and to the pod's group. Only below this folder may a group read them.
- { name: CREDENTIALS_DIRECTORY, value: /run/secrets/vestibule }
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vestibule.mounts" -}}
- { name: config, mountPath: /etc/vestibule/config, readOnly: true }
{{- if .Values.keys.secret }}
- { name: keys, mountPath: /run/secrets/vestibule/keys.json, subPath: keys.json, readOnly: true }
{{- end }}
{{- if eq .Values.store.kind "postgresql" }}
- { name: store, mountPath: /run/secrets/vestibule/store, readOnly: true }
{{- end }}
{{- range .Values.secrets }}
- { name: secret-{{ .folder }}, mountPath: /run/secrets/vestibule/{{ .folder }}, readOnly: true }
{{- end }}
{{- range .Values.files }}
- { name: files-{{ .folder }}, mountPath: /etc/vestibule/files/{{ .folder }}, readOnly: true }
{{- end }}
{{- end }}

{{- define "vestibule.volumes" -}}
{{- with .Values.keys.secret }}
- { name: keys, secret: { secretName: {{ . | quote }}, defaultMode: 0440, items: [{ key: keys.json, path: keys.json }] } }
{{- end }}
{{- if eq .Values.store.kind "postgresql" }}
- { name: store, secret: { secretName: {{ .Values.store.secret | quote }}, defaultMode: 0440, items: [{ key: store.url, path: store.url }] } }
{{- end }}
{{- range .Values.secrets }}
- { name: secret-{{ .folder }}, secret: { secretName: {{ .name | quote }}, defaultMode: 0440 } }
{{- end }}
{{- range .Values.files }}
- { name: files-{{ .folder }}, configMap: { name: {{ .name | quote }} } }
{{- end }}
{{- end }}

{{- define "vestibule.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "vestibule.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "vestibule.pod" -}}
metadata:
  labels:
    {{- include "vestibule.selector" . | nindent 4 }}
    app.kubernetes.io/component: gateway
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .Values.podAnnotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Requests under way get ten seconds.
  terminationGracePeriodSeconds: 30
  securityContext: {{ include "vestibule.podSecurity" . | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  containers:
    - name: vestibule
      image: {{ include "vestibule.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      securityContext: {{ include "vestibule.containerSecurity" . | nindent 8 }}
      env: {{ include "vestibule.environment" . | nindent 8 }}
      ports:
        - { name: http, containerPort: 8080 }
        - { name: admin, containerPort: 9180 }
      startupProbe: { httpGet: { path: /health/live, port: admin }, periodSeconds: 2, failureThreshold: 60 }
      livenessProbe: { httpGet: { path: /health/live, port: admin }, periodSeconds: 10, timeoutSeconds: 5 }
      readinessProbe: { httpGet: { path: /health/ready, port: admin }, periodSeconds: 5, timeoutSeconds: 5 }
      resources: {{ toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: data, mountPath: /var/lib/vestibule }
        {{- include "vestibule.mounts" . | nindent 8 }}
  volumes:
    - { name: config, configMap: { name: {{ include "vestibule.fullname" . }} } }
    {{- if eq .Values.store.kind "postgresql" }}
    - { name: data, emptyDir: { sizeLimit: 64Mi } }
    {{- end }}
    {{- include "vestibule.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

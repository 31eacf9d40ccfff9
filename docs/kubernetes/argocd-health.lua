-- How healthy Argo CD takes an AgentJob to be; without this, it takes one to be healthy for being there.
-- In the ConfigMap argocd-cm, as resource.customizations.health.multiagent.dev_AgentJob.
local health = {status = "Progressing", message = "not looked at yet"}
local status = obj.status or {}
local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local function is(kind)
  return found[kind] ~= nil and found[kind].status == "True"
end
local succeeded = found["Succeeded"]
if succeeded ~= nil then
  health.message = succeeded.reason .. ": " .. succeeded.message
end
if is("Finished") then
  if is("Succeeded") then
    health.status = "Healthy"
  else
    health.status = "Degraded"
  end
elseif obj.spec ~= nil and obj.spec.suspend then
  health.status = "Suspended"
elseif is("Stalled") then
  health.status = "Degraded"
  health.message = found["Stalled"].message
end
return health

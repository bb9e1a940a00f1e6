const editors = "only an editor uses it.";
const policy = "a container gets what Cairn's own policy gives, and no more.";
const mounts = "nothing of this machine is mounted but the session's own copy.";
const network = "the sandbox has no ports.";

/** Every other property of the format, and why it changes nothing here. */
export const knownProperties: Readonly<Record<string, string>> = {
  $schema: editors,
  name: editors,
  customizations: editors,
  extensions: editors,
  settings: editors,
  devPort: editors,
  hostRequirements: editors,
  shutdownAction: editors,
  waitFor: editors,
  userEnvProbe: editors,
  portsAttributes: network,
  otherPortsAttributes: network,
  forwardPorts: network,
  appPort: network,
  initializeCommand: "it would run on your machine, so it never runs.",
  postAttachCommand: "nobody attaches to a session, so it does not run.",
  features:
    "they are fetched and installed as root, so they are not; put what they bring into the image.",
  overrideFeatureInstallOrder: "features are not installed.",
  mounts,
  workspaceMount: mounts,
  privileged: policy,
  capAdd: policy,
  securityOpt: policy,
  init: policy,
  gpu: policy,
  overrideCommand: "the container's first process is Cairn's.",
  updateRemoteUserUID: "commands run with your own number anyway.",
  secrets: "the sandbox gets no secrets.",
  dockerComposeFile: "Cairn starts one container, and no others beside it.",
  service: "Cairn starts one container, and no others beside it.",
  runServices: "Cairn starts one container, and no others beside it.",
};

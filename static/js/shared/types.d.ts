// What the HTTP API answers, as docs/http-api.md describes it, and what the scripts hand on.

export type Counts = {
  total: number;
  waiting: number;
  running: number;
  done: number;
  no_face: number;
  failed: number;
  cancelled: number;
};

/** All options by name; those that scripts name have their own types. */
export type Options = {
  strength: number;
  mode: string;
  format: string;
  enlarge: string;
  background: string;
  [name: string]: number | string | boolean;
};

export type Face = {
  number: number;
  box: [left: number, top: number, right: number, bottom: number];
  upright_box?: [left: number, top: number, right: number, bottom: number] | null;
  restored: boolean;
  reason: string | null;
  strength: number | null;
  mode: string | null;
  added?: number[] | null;
  found_by?: "detector" | "closer look" | "box";
  blur?: { before: number; after: number } | null;
  share?: number | null;
};

/** Settings that a photo asks for. is_automatic: they need nobody's choice. */
export type Suggestion = {
  options: Partial<Options>;
  reason: string;
  is_automatic: boolean;
};

/** What a photo shows of itself. width, height: of the part that is restored. */
export type Condition = {
  width: number;
  height: number;
  whole: { width: number; height: number };
  suggestions: Suggestion[];
};

export type Preset = { id: string; name: string; options: Partial<Options> };

export type ItemError = { stage: string | null; message: string };

/** Of a photo that was restored. Reports of earlier versions have no scales. */
export type Report = {
  state: string;
  options: Options;
  faces: Face[];
  notes?: string[];
  scale?: number;
  useful_scale?: number;
  unchanged?: boolean;
  turn?: number;
  restored_by?: { machine: string; kind: string };
  suggestions?: Suggestion[];
  model?: string | null;
};

export type Item = {
  n: number;
  key: string | null;
  name: string;
  state: string;
  stage: string | null;
  seconds: number | null;
  result: string | null;
  sha256: string;
  error: ItemError | null;
  warnings: string[];
  attempt: number;
  options: Partial<Options> | null;
  report?: Report | null;
};

export type Job = {
  id: string;
  kind: "photo" | "album";
  name: string;
  state: string;
  reason: string | null;
  options: Options;
  folder: string | null;
  created: number;
  started: number | null;
  finished: number | null;
  seq: number;
  eta_seconds: number | null;
  parent: string | null;
  counts: Counts;
  bytes: number;
  covers: number[];
};

/** One of several results of the same photo. */
export type Version = {
  job: string;
  state: string;
  options: Options;
  model: string | null;
  turn: number;
  created: number;
};

/** machines: who restored it, where it was not this machine alone. */
export type JobWithItems = Job & { items: Item[]; machines: MachineShare[] };

export type MachineShare = { name: string; kind: string; photos: number };

export type PhotoInProgress = {
  job: string;
  album: string;
  item: number;
  name: string;
  stage: string;
  seconds: number;
};

/** heard_seconds: ago; null where it was not heard since the start. share: 0 to 1. */
export type Machine = {
  id: string;
  name: string;
  is_here: boolean;
  state: string;
  reason: string | null;
  problem: string | null;
  kind: string;
  device: string | null;
  engine: string | null;
  slots: number;
  busy: number;
  heard_seconds: number | null;
  restored: number;
  failed: number;
  per_minute: number;
  share: number;
  in_progress: PhotoInProgress[];
};

export type MachinesAnswer = {
  waiting: number;
  broker: { used: boolean; problem: string | null };
  join: string;
  machines: Machine[];
};

export type JobEvent = {
  seq: number;
  type: "job" | "item" | "stage";
  item: number | null;
  state: string;
  stage: string | null;
  percent: number | null;
  error: ItemError | null;
  counts: Counts;
  eta_seconds: number | null;
};

export type Engine = {
  state: "idle" | "loading" | "ready" | "failed";
  message: string | null;
  model: string | null;
  workers: number | null;
};

export type Download = {
  done: number;
  total: number;
  state: "running" | "done" | "failed" | "cancelled";
  error: string | null;
};

export type Model = {
  name: string;
  task: string;
  size: number | null;
  scale: number | null;
  licence: string;
  megabytes: number;
  downloadable: boolean;
  installed: boolean;
  active: boolean;
  problem: string | null;
  download: Download | null;
};

/** decibels, gain: null where it was not measured with this model on this machine. */
export type FastMode = {
  is_on: boolean;
  is_chosen: boolean;
  decibels: number | null;
  gain: number | null;
};

export type ModelsAndEngine = { models: Model[]; engine: Engine; fast_mode: FastMode | null };

export type ModelsAnswer = ModelsAndEngine & {
  settings: Record<string, unknown>;
  last_speed: number | null;
};

/** A file that the user gave, with its path in the folder it came from. */
export type ChosenFile = { file: File; name: string; sidecars?: File[] };

/** The same; file is null where the browser may not read it. */
export type FoundFile = { file: File | null; name: string; sidecars?: File[] };

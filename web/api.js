// The service's HTTP interface, as far as the page uses it.

// What went wrong, in one sentence; `field` names the form field to blame, if one is.
export class Problem extends Error {
  constructor({ detail, title, field, status }) {
    super(detail ?? title);
    this.field = field;
    this.status = status;
  }
}

async function call(path, request) {
  const response = await fetch(path, request).catch(() => {
    throw new Problem({ detail: 'The server cannot be reached.' });
  });
  if (response.ok) return response;
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  throw new Problem(isProblem ? await response.json() : { detail: `The server answered ${response.status}.`, status: response.status });
}

const json = async (path, request) => (await call(path, request)).json();

export const getLimits = () => json('/v1/limits');
export const getPresets = () => json('/v1/presets');
export const getJob = (id) => json(`/v1/jobs/${id}`);
export const listJobs = () => json('/v1/jobs?limit=12');
export const createJob = (form) => json('/v1/jobs', { method: 'POST', body: form });
export const cancelJob = (job) => json(job.links.cancel, { method: 'POST' });
export const deleteJob = (job) => call(job.links.self, { method: 'DELETE' });
export const getPicture = async (link) => (await call(link)).blob();

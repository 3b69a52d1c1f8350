// The service's HTTP interface, as far as the page uses it.
import { another, token } from './token.js';

// What went wrong, in one sentence; `field` names the form field to blame, if one is.
export class Problem extends Error {
  constructor({ detail, title, field, status }) {
    super(detail ?? title);
    this.field = field;
    this.status = status;
  }
}

async function call(path, request = {}) {
  const sent = token();
  const headers = { ...request.headers, ...sent && { Authorization: `Bearer ${sent}` } };
  const response = await fetch(path, { ...request, headers }).catch((error) => {
    if (error.name === 'AbortError') throw error;
    throw new Problem({ detail: 'The server cannot be reached.' });
  });
  if (response.ok) return response;
  if (response.status === 401 && await another(sent)) return call(path, request);
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  throw new Problem(isProblem ? await response.json() : { detail: `The server answered ${response.status}.`, status: response.status });
}

const json = async (path, request) => (await call(path, request)).json();

export const getLimits = () => json('/v1/limits');
export const getPresets = () => json('/v1/presets');
export const listJobs = () => json('/v1/jobs?limit=12');
export const createJob = (form) => json('/v1/jobs', { method: 'POST', body: form });
export const cancelJob = (job) => json(job.links.cancel, { method: 'POST' });
export const deleteJob = (job) => call(job.links.self, { method: 'DELETE' });
export const openEvents = (id, request) => call(`/v1/jobs/${id}/events`, request);
export const getPicture = async (link) => (await call(link)).blob();

// One job, followed until it ends: state, numbers, the picture as it grows.
import { cancelJob, getPicture, openEvents } from './api.js';
import { byId, duration } from './dom.js';
import { eventsOf } from './events.js';

const words = { queued: 'Waiting', running: 'Painting', succeeded: 'Done', failed: 'Failed', canceled: 'Stopped' };
let followed = {}; // {id, job, connection, ...}: the job shown; who follows an earlier one stops on seeing another here

function numbers({ state, queue, progress, output, error, notes }) {
  if (state === 'queued') {
    const start = queue.eta_seconds === null ? '' : `, starts in about ${duration(queue.eta_seconds)}`;
    return `Number ${queue.position} in the queue${start}`;
  }
  if (error) return error.detail;
  if (progress) {
    const left = progress.eta_seconds === null ? '' : ` · about ${duration(progress.eta_seconds)} left`;
    return `Evaluation ${progress.evaluation} of ${progress.evaluations} · loss ${progress.loss?.toPrecision(4) ?? '∞'}${left}`;
  }
  const picture = output ? [`${output.width} × ${output.height}, ${output.format}, ${Math.ceil(output.bytes / 1024)} KiB`] : [];
  return [...picture, ...notes].join(' · ');
}

const nameOf = ({ id, output }) => `${id}.${output.format === 'jpeg' ? 'jpg' : output.format}`;

// Previews may come faster than they are fetched: then only the newest is.
async function showPicture(mine) {
  mine.wanted = true;
  if (mine.fetching) return;
  mine.fetching = true;
  while (mine.wanted && followed === mine) {
    mine.wanted = false;
    const { job } = mine, done = Boolean(job.output);
    const blob = await getPicture(done ? job.links.result : job.links.preview).catch(() => null); // none yet
    if (!blob || followed !== mine) continue;
    const image = byId('job-picture'), download = byId('job-download');
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
    image.alt = done ? 'The result' : 'The picture so far';
    image.hidden = false;
    if (!done) continue;
    download.href = image.src;
    download.download = nameOf(job);
    download.hidden = false;
  }
  mine.fetching = false;
}

function show(job) {
  const open = isOpen(job);
  const state = byId('job-state');
  if (state.textContent !== words[job.state]) state.textContent = words[job.state]; // said aloud only when it changes
  byId('job-numbers').textContent = numbers(job);
  byId('job-progress').hidden = !open;
  byId('job-progress').value = job.progress?.fraction ?? 0;
  byId('job-cancel').hidden = !open;
  byId('job-cancel').onclick = () => cancelJob(job).catch(() => {}); // it has just ended
}

// Takes one event. False when the job has ended, or is not there.
function take(mine, { type, data }, changed) {
  if (type === 'trouble') {
    if (data.status === 404 || data.status === 410) leave(mine.id);
    else byId('job-numbers').textContent = data.message; // and go on: the server may come back
    return followed === mine && data.status !== 401; // whoever has no token is asked for one once
  }
  const before = mine.job;
  if (!before && type !== 'state') return true;
  if (type === 'state') mine.job = data;
  else if (type === 'progress') mine.job = { ...before, progress: data };
  show(mine.job);
  if (mine.job.state !== before?.state) changed();
  if (type === 'preview' || mine.job.output) showPicture(mine);
  return isOpen(mine.job);
}

// Follows the job for as long as the page is looked at: each stream is a connection, of which browsers have few.
async function listen(mine, changed) {
  mine.connection?.abort();
  if (document.hidden || (mine.job && !isOpen(mine.job))) return;
  const { signal } = mine.connection = new AbortController();
  for await (const event of eventsOf((request) => openEvents(mine.id, request), signal))
    if (followed !== mine || signal.aborted || !take(mine, event, changed)) break;
  mine.connection.abort();
}

// `changed()` is called whenever the job's state is another than before.
export function follow(id, changed) {
  leave(followed.id);
  const mine = followed = { id };
  byId('job-picture').hidden = true;
  byId('job-download').hidden = true;
  byId('job').hidden = false;
  mine.listen = () => listen(mine, changed);
  document.addEventListener('visibilitychange', mine.listen);
  mine.listen();
}

export const isOpen = ({ state }) => state === 'queued' || state === 'running';
export const isFollowed = (id) => followed.id === id;

export function leave(id) {
  if (!id || followed.id !== id) return;
  document.removeEventListener('visibilitychange', followed.listen);
  followed.connection?.abort();
  followed = {};
  byId('job').hidden = true;
}

// One job, followed until it ends: state, numbers, the picture as it grows.
import { cancelJob, getJob, getPicture } from './api.js';
import { byId, duration } from './dom.js';

const words = { queued: 'Waiting', running: 'Painting', succeeded: 'Done', failed: 'Failed', canceled: 'Stopped' };
let followed = {}; // {id, picture}: the job shown; polls of an earlier one stop when they see another here

function numbers({ state, queue, progress, output, error }) {
  if (state === 'queued') {
    const start = queue.eta_seconds === null ? '' : `, starts in about ${duration(queue.eta_seconds)}`;
    return `Number ${queue.position} in the queue${start}`;
  }
  if (error) return error.detail;
  if (progress) {
    const left = progress.eta_seconds === null ? '' : ` · about ${duration(progress.eta_seconds)} left`;
    return `Evaluation ${progress.evaluation} of ${progress.evaluations} · loss ${progress.loss?.toPrecision(4) ?? '∞'}${left}`;
  }
  return output ? `${output.width} × ${output.height}, ${output.format}, ${Math.ceil(output.bytes / 1024)} KiB` : '';
}

async function showPicture(job, mine) {
  const link = job.output ? job.links.result : job.links.preview;
  if (job.output && mine.picture === link) return;
  const blob = await getPicture(link).catch(() => null); // none yet
  if (!blob || followed !== mine) return;
  const image = byId('job-picture');
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.alt = job.output ? 'The result' : 'The picture so far';
  image.hidden = false;
  mine.picture = link;
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
  const download = byId('job-download');
  download.hidden = !job.output;
  download.href = job.links.result;
  return open;
}

// `changed()` is called whenever the job's state is another than before.
export async function follow(id, changed) {
  if (followed.id !== id) byId('job-picture').hidden = true;
  const mine = followed = { id };
  byId('job').hidden = false;
  for (let before; followed === mine;) {
    let job;
    try {
      job = await getJob(id);
    } catch (problem) {
      if (problem.status === 404 || problem.status === 410) return leave(id);
      byId('job-numbers').textContent = problem.message; // and go on: the server may come back
    }
    if (job && followed === mine) {
      const open = show(job);
      if (job.state !== before) changed();
      before = job.state;
      await showPicture(job, mine);
      if (!open) return;
    }
    await new Promise((resume) => setTimeout(resume, document.hidden ? 5000 : 1000));
  }
}

export const isOpen = ({ state }) => state === 'queued' || state === 'running';
export const isFollowed = (id) => followed.id === id;

export function leave(id) {
  if (followed.id !== id) return;
  followed = {};
  byId('job').hidden = true;
}

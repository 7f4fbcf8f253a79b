// The status view: everything is asked for once the event stream has begun, then kept up by events.
import { eventsOf } from "/static/events.js";

const SHOWN = 100;
const RETRY_MS = 2000;
const stations = new Map();
const reservations = new Map();
const at = (id) => document.getElementById(id);
let key = keyOfAddress() ?? sessionStorage.getItem("key");
let drawing = false;

function keyOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) history.replaceState(null, "", location.pathname);
  return given;
}

function say(text) {
  at("state").textContent = text;
}

async function get(path) {
  const answer = await fetch(`/api/v1${path}`, { headers: { Authorization: `Bearer ${key}` } });
  if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
  return answer.json();
}

async function fill() {
  const [allStations, newest] = await Promise.all([get("/stations"), get(`/reservations?limit=${SHOWN}`)]);
  stations.clear();
  for (const station of allStations) stations.set(station.id, station);
  for (const one of newest) keep(one);
  draw();
}

function keep(one) {
  const known = reservations.get(one.id);
  if (!known || known.version <= one.version) reservations.set(one.id, one);
}

function station(id) {
  if (!stations.has(id)) stations.set(id, { id, online: true, evses: [] });
  return stations.get(id);
}

function item(list, id, made) {
  let found = list.find((one) => one.id === id);
  if (!found) list.push((found = { id, ...made }));
  return found;
}

function tell({ name, data }) {
  if (name === "gap") return void fill().catch(() => {});
  if (data.reservation) keep(data.reservation);
  else if (name === "connector.status") {
    const evse = item(station(data.stationId).evses, data.evseId, { connectors: [] });
    Object.assign(item(evse.connectors, data.connectorId, { type: data.type }), { status: data.status, since: data.since });
  } else if (name.startsWith("station.")) station(data.stationId).online = data.online;
  draw();
}

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Many events in one frame cost one drawing.
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const byId = [...stations.values()].sort((a, b) => a.id.localeCompare(b.id));
    at("stations").replaceChildren(...(byId.length ? byId.map(card) : [element("p", "No station yet: evhold station add CS1")]));
    const newest = [...reservations.values()].sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.id - a.id);
    at("reservations").replaceChildren(...newest.slice(0, SHOWN).map(row));
    for (const gone of newest.slice(SHOWN)) reservations.delete(gone.id);
  });
}

function card(one) {
  const shown = element("article", "", one.online ? "" : "offline");
  shown.append(element("h3", one.id), element("p", [one.vendorName, one.model, one.online ? "" : "offline"].filter(Boolean).join(" · ")));
  const list = element("ul");
  for (const evse of one.evses)
    for (const connector of evse.connectors) {
      const line = element("li");
      const status = one.online ? (connector.status ?? "unknown") : "Offline";
      line.append(element("span", `EVSE ${evse.id} / ${connector.id} ${connector.type ?? ""}`), element("span", status, `mark ${status}`));
      list.append(line);
    }
  shown.append(list);
  return shown;
}

function masked(token) {
  return token.length > 4 ? `…${token.slice(-4)}` : "…";
}

function row(one) {
  const line = element("tr");
  const place = one.evseId ? `EVSE ${one.evseId}` : (one.connectorType ?? "any EVSE");
  const status = element("td");
  status.append(element("span", one.status, `mark ${one.status}`));
  line.append(element("td", one.id), element("td", one.stationId), element("td", place), element("td", masked(one.idToken.idToken)), status);
  line.append(element("td", new Date(one.expiryDateTime).toLocaleString()), element("td", one.cause ?? ""));
  return line;
}

function ask(why = "") {
  at("board").hidden = true;
  at("login").hidden = false;
  at("wrong").textContent = why;
  say("not connected");
}

async function follow() {
  for (;;) {
    try {
      for await (const told of eventsOf("/api/v1/events", key)) {
        if (told === null) {
          await fill();
          sessionStorage.setItem("key", key);
          at("login").hidden = true;
          at("board").hidden = false;
          say("live");
        } else tell(told);
      }
    } catch (error) {
      if (error.status === 401) return ask("This key is not valid.");
    }
    say("connection lost, trying again");
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  follow();
});
if (key) follow();
else ask();

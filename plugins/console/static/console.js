// What pages do beyond htmx. Without it everything works; it only makes some things quicker.
"use strict";

// A session that has ended, or a page that is gone: say so instead of doing nothing.
document.addEventListener("htmx:responseError", event => {
  if (event.detail.xhr.status === 403 || event.detail.xhr.status === 401) location.reload();
});

// What was done is said for some seconds, and goes when it is clicked.
for (const toast of document.querySelectorAll(".toast")) {
  toast.addEventListener("click", () => toast.remove());
  setTimeout(() => toast.classList.add("gone"), 6000);
}

// Texts to be handed over are copied with a click.
document.addEventListener("click", event => {
  const secret = event.target.closest("[data-copy]");
  if (secret && navigator.clipboard) {
    navigator.clipboard.writeText(secret.textContent.trim()).then(() => secret.classList.add("copied"));
  }
  for (const drawer of document.querySelectorAll("details.drawer[open]")) {
    if (!drawer.contains(event.target)) drawer.open = false;
  }
});

document.addEventListener("keydown", event => {
  if (event.key === "Escape") {
    for (const drawer of document.querySelectorAll("details.drawer[open]")) drawer.open = false;
  }
});

// Times are written as the clock on the wall says; what that is for others goes along with the form.
function tellZones() {
  for (const zone of document.querySelectorAll("input[data-zone-of]")) {
    const written = document.getElementById(zone.dataset.zoneOf);
    zone.value = String(new Date((written && written.value) || Date.now()).getTimezoneOffset());
  }
}
document.addEventListener("input", tellZones);
document.addEventListener("submit", tellZones, true);
tellZones();

// A file goes into the field for its text.
document.addEventListener("change", event => {
  const into = event.target.dataset && event.target.dataset.into;
  if (into && event.target.files.length) {
    event.target.files[0].text().then(text => {
      const field = document.getElementById(into);
      field.value = text;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
});

// What refreshes itself waits while somebody is at something in it.
document.addEventListener("htmx:beforeRequest", event => {
  const part = event.detail.elt, focused = document.activeElement;
  if (part.getAttribute("hx-trigger")?.startsWith("every") && part !== focused && part.contains(focused)) {
    event.preventDefault();
  }
});

// A form is sent once, however often somebody clicks.
document.addEventListener("submit", event => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

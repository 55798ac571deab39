package dev.thaw.operator.image;

import dev.thaw.crds.LazyImage;
import dev.thaw.crds.Reason;
import dev.thaw.operator.conversion.ConversionLog;
import dev.thaw.operator.conversion.Failure;
import dev.thaw.operator.conversion.JobShape;
import io.fabric8.kubernetes.api.model.DeletionPropagation;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.net.HttpURLConnection;
import java.util.ArrayList;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is done to conversion Jobs, and their logs. */
final class ConversionJobs {
    private static final Logger LOG = LoggerFactory.getLogger(ConversionJobs.class);
    private static final int LOG_LINES = 60;
    private static final int UNPROCESSABLE = 422;

    private final KubernetesClient client;

    ConversionJobs(KubernetesClient client) {
        this.client = client;
    }

    /** Makes a Job, or joins the owners of the one that does the same work; a failure if the cluster does not let us. */
    Optional<Failure> start(Job job, LazyImage owner) {
        try {
            client.resource(job).create();
            return Optional.empty();
        } catch (KubernetesClientException e) {
            return switch (e.getCode()) {
                case HttpURLConnection.HTTP_CONFLICT -> {
                    var there = client.resource(job).get();
                    if (there != null) {
                        join(there, owner);
                    }
                    yield Optional.empty();
                }
                case HttpURLConnection.HTTP_FORBIDDEN, UNPROCESSABLE, HttpURLConnection.HTTP_BAD_REQUEST ->
                    Optional.of(Failure.passing(
                            Reason.JOB_REJECTED,
                            "Job " + job.getMetadata().getName() + " could not be made: " + e.getMessage()));
                default -> throw e;
            };
        }
    }

    /** Makes the LazyImage one of the owners: the Job then stays as long as one of them is there, and tells all of them. */
    void join(Job job, LazyImage owner) {
        if (isOwnedBy(job, owner)) {
            return;
        }
        current(job).edit(there -> {
            if (isOwnedBy(there, owner)) {
                return there;
            }
            var owners = new ArrayList<>(there.getMetadata().getOwnerReferences());
            owners.add(JobShape.ownerReference(owner, false));
            return new JobBuilder(there)
                    .editMetadata()
                    .withOwnerReferences(owners)
                    .endMetadata()
                    .build();
        });
    }

    /** Deletes a Job with its pods, unless another LazyImage wants it too. */
    void delete(Job job) {
        if (job.getMetadata().getOwnerReferences().size() <= 1) {
            client.resource(job)
                    .withPropagationPolicy(DeletionPropagation.BACKGROUND)
                    .delete();
        }
    }

    /** Has a Job whose result is written down deleted after a while. */
    void retire(Job job, int seconds) {
        if (job.getSpec().getTtlSecondsAfterFinished() == null) {
            current(job)
                    .edit(there -> new JobBuilder(there)
                            .editSpec()
                            .withTtlSecondsAfterFinished(seconds)
                            .endSpec()
                            .build());
        }
    }

    /** The last lines of a pod's log; none where it cannot be read. */
    ConversionLog log(String namespace, String pod) {
        try {
            var text = client.pods()
                    .inNamespace(namespace)
                    .withName(pod)
                    .inContainer(JobShape.CONTAINER)
                    .tailingLines(LOG_LINES)
                    .getLog();
            return ConversionLog.of(text == null ? "" : text);
        } catch (KubernetesClientException e) {
            LOG.debug("The log of pod {}/{} cannot be read", namespace, pod, e);
            return ConversionLog.of("");
        }
    }

    /** The Job as it is now: what the cache holds may be a moment behind, and a write on that ground is refused. */
    private Resource<Job> current(Job job) {
        return client.batch()
                .v1()
                .jobs()
                .inNamespace(job.getMetadata().getNamespace())
                .withName(job.getMetadata().getName());
    }

    static boolean isOwnedBy(Job job, LazyImage owner) {
        return job.getMetadata().getOwnerReferences().stream()
                .anyMatch(reference ->
                        reference.getUid().equals(owner.getMetadata().getUid()));
    }
}

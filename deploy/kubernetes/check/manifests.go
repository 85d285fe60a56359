// Package check holds the Kubernetes manifests to the API types of Kubernetes and to what
// the programs accept, without a cluster: every overlay is built by kustomize, decoded
// strictly, and what its containers would run is run on private servers.
package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Build returns the objects of an overlay, such as "../small". An unknown or doubled member
// anywhere is an error that names it.
func Build(dir string) ([]runtime.Object, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return decode(text)
}

func decode(text []byte) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer documents.Close()
	var objects []runtime.Object
	buffer := make([]byte, len(text))
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object, kind, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			return nil, fmt.Errorf("decode %v: %w\n%s", kind, err, buffer[:n])
		}
		objects = append(objects, object)
	}
}

// Pod is what the manifests say of one kind of pod.
type Pod struct {
	Name     string
	Template corev1.PodTemplateSpec
	Replicas int32 // 0: an autoscaler decides, or a job
}

// Containers returns the pod's containers, those that run first and at its side included.
func (p Pod) Containers() []corev1.Container {
	return append(append([]corev1.Container{}, p.Template.Spec.InitContainers...), p.Template.Spec.Containers...)
}

// Pods returns the pods that the objects make.
func Pods(objects []runtime.Object) []Pod {
	var pods []Pod
	for _, object := range objects {
		switch o := object.(type) {
		case *appsv1.Deployment:
			pod := Pod{Name: o.Name, Template: o.Spec.Template}
			if o.Spec.Replicas != nil {
				pod.Replicas = *o.Spec.Replicas
			}
			pods = append(pods, pod)
		case *batchv1.Job:
			pods = append(pods, Pod{Name: o.Name, Template: o.Spec.Template})
		}
	}
	return pods
}

// Environment returns the variables that a container has. ConfigMaps that are named must be
// among the objects.
func Environment(objects []runtime.Object, c corev1.Container) (map[string]string, error) {
	variables := map[string]string{}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			return nil, fmt.Errorf("container %s takes variables from something other than a ConfigMap", c.Name)
		}
		data, err := configMap(objects, from.ConfigMapRef.Name)
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", c.Name, err)
		}
		for name, value := range data {
			variables[name] = value
		}
	}
	for _, v := range c.Env {
		if v.ValueFrom != nil {
			return nil, fmt.Errorf("container %s: %s is taken from elsewhere", c.Name, v.Name)
		}
		variables[v.Name] = v.Value
	}
	return variables, nil
}

func configMap(objects []runtime.Object, name string) (map[string]string, error) {
	for _, object := range objects {
		if c, ok := object.(*corev1.ConfigMap); ok && c.Name == name {
			return c.Data, nil
		}
	}
	return nil, fmt.Errorf("there is no ConfigMap %s", name)
}
